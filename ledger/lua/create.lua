-- create: new transfers, `queued`, each with an invoice id whose last six digits no transfer of its space had before. Each is
-- made whole before the next one is looked at, and none depends on another's answer.
--
-- KEYS     1 the suffixes whose record was lost, as an operator found them in the bank's statement  2 due  3 by_state
--          4 counters  5 events  6 pauses  7 added pauses; and for each transfer 6:
--          its record, handle and reference, its space's suffixes, the fingerprints of its cards, which go when it ends,
--          and the archived references of the place of its reference's digest
-- ARGV     1 a test's time (ms), or nothing  2 in how many ms they must be looked at  3 actor
--          4 the queue's limit, or 0; and for each transfer 6:
--          the record, as JSON: {name: text}, without state, version and times; suffix;
--          `given`: the producer brought the invoice id, or `made`; in how many ms its deadline is;
--          the fingerprints of its cards, or nothing; the digest of its reference
-- Replies  for each transfer  OK 'queued epoch version sequence now' | REPLAYED key | TAKEN invoice's key | TRY suffix
--          | EXHAUSTED | FULL queued | PAUSED until | BROKEN part | LOST invoice
-- A record that stands is never overwritten, even where the bitmap is lost: its suffix is marked as used again.
-- A reference begins at the same suffix each time. Where the record there was lost, the reference may be the lost one's:
-- another suffix would make a second transfer of it.

local COMMON_KEYS, COMMON_ARGS, EACH = 7, 4, 6

local actor, limit, begun = ARGV[3], tonumber(ARGV[4]), now_ms(ARGV[1])
local now = number(begun)

-- What is read once for all transfers: which pauses a terminal has, the counters, and the types of what all are written to.
-- Nothing but this script changes them while it runs.
local paused, kept, lists = {}, {}, nil

-- They are read again where they can't be raised, or are not exact: it is then that they are looked at.
local function broken_counters(...)
  for _, name in ipairs({'events', 'sequence', ...}) do
    local value = kept[name]
    if value == nil or value and #value > EXACT then
      local broken, more = read_counters({...})
      if broken then return broken end
      for each, count in pairs(more) do kept[each] = count end
      return nil
    end
  end
end

local function types_of_lists()
  if is_other(redis.call('TYPE', KEYS[2]), 'zset') then return {'BROKEN', 'due'} end
  if is_other(redis.call('TYPE', KEYS[3]), 'zset') then return {'BROKEN', 'by_state'} end
  return {}
end

local function create(keys, args)
  local record, handle, reference, suffixes, prints, archived = unpack(KEYS, keys, keys + EACH - 1)
  local text, suffix, origin, lasts_ms, fingerprints, digest = unpack(ARGV, args, args + EACH - 1)
  local r, deadline = cjson.decode(text), begun + tonumber(lasts_ms)

  local queued, sum = counters_of('queued', r)
  local used = 'used:' .. r.space
  local broken = broken_counters(queued, sum, used)
  if broken and string.find(broken[2], 'format', 1, true) then return broken end
  local known = typed(redis.pcall('GET', reference))
  if known == nil then return {'BROKEN', 'reference'} end
  known = known or typed(redis.pcall('HGET', archived, digest))
  if known == nil then return {'BROKEN', 'archived references'} end
  if known then return {'REPLAYED', known} end

  paused[r.terminal] = paused[r.terminal] or pauses(KEYS[6], KEYS[7], 'send', r.terminal)
  for _, pause in ipairs(paused[r.terminal]) do
    if pause.till > deadline then return {'PAUSED', number(pause.till)} end
  end
  local there = redis.call('TYPE', record)
  if is_other(there, 'hash') then return {'BROKEN', 'record'} end
  lists = lists or types_of_lists()
  if lists[1] then return lists end
  if broken then return broken end
  if limit > 0 then
    local waiting = redis.call('ZLEXCOUNT', KEYS[3], '[queued:', '(queued;')
    if waiting >= limit then return {'FULL', tostring(waiting)} end
  end

  local stands, bit = there.ok ~= 'none', typed(redis.pcall('GETBIT', suffixes, suffix))
  if bit == nil then return {'BROKEN', 'suffixes'} end
  if bit == 1 or stands then
    if stands then redis.call('SETBIT', suffixes, suffix, 1) end
    local lost = not stands and redis.call('HGET', KEYS[1], r.space .. ':' .. suffix)
    if lost then return {'LOST', lost} end
    if origin == 'given' then return {'TAKEN', redis.call('HGET', record, 'key') or ''} end
    local free = redis.call('BITPOS', suffixes, 0, math.floor(tonumber(suffix) / 8))
    if free < 0 or free > 999999 then free = redis.call('BITPOS', suffixes, 0) end
    if free < 0 or free > 999999 then return {'EXHAUSTED'} end
    return {'TRY', tostring(free)}
  end

  local fields = {'state', 'queued', 'version', '1', 'state_since', now, 'created_at', now, 'deadline_at', number(deadline)}
  for name, value in pairs(r) do
    if name ~= 'space' then -- the key has it
      fields[#fields + 1] = name
      fields[#fields + 1] = value
    end
  end
  local last = tonumber(kept.events or '0')
  local move = {key = r.key, verb = 'create', actor = actor, now = now, event = {}}
  local unsound, id = tell(move, r, '', 'queued', '1', r.epoch, last + 1)
  if unsound then return unsound end
  fields[#fields + 1] = 'history'
  fields[#fields + 1] = history_with(nil, id, 'm')
  redis.call('HSET', record, unpack(fields))
  if fingerprints ~= '' then redis.call('SET', prints, fingerprints) end
  redis.call('SETBIT', suffixes, suffix, 1)
  redis.call('SET', reference, r.key)
  redis.call('SET', handle, r.key)
  redis.call('ZADD', KEYS[2], number(math.min(begun + tonumber(ARGV[2]), deadline)), r.key)
  redis.call('ZADD', KEYS[3], 0, place_in_lists('queued', r.terminal, now, r.key))
  local by = {events = 1, [queued] = 1, [sum] = tonumber(r.amount), [used] = 1}
  local sequence = raise_counters(kept, by, last == 0 and {'format', FORMAT} or {})
  return {'OK', table.concat({'queued', r.epoch, '1', sequence, now}, ' ')}
end

local replies = {}
for at = 1, (#KEYS - COMMON_KEYS) / EACH do
  replies[at] = create(COMMON_KEYS + 1 + EACH * (at - 1), COMMON_ARGS + 1 + EACH * (at - 1))
end
return replies
