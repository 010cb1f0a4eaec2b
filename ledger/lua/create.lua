-- create: a new transfer, `queued`, with an invoice id whose last six digits no transfer of its space had before.
--
-- KEYS     as in _move.lua, and  8 reference  9 suffixes  10 pauses  11 added pauses
--          12 the fingerprints of the cards, which go when the transfer ends
--          13 the suffixes whose record was lost, as an operator found them in the bank's statement
--          14 the archived references of the place of this one's digest
-- ARGV     1 the record, as JSON: {name: text}, without state, version and times  2 a test's time (ms), or nothing
--          3 in how many ms it must be looked at  4 actor
--          5 suffix  6 `given`: the producer brought the invoice id; or `made`
--          7 the queue's limit, or 0  8 in how many ms its deadline is  9 the fingerprints of the cards, or nothing
--          10 the digest of the reference
-- Replies  OK queued epoch version sequence now | REPLAYED key | TAKEN invoice's key | TRY suffix | EXHAUSTED
--          | FULL queued | PAUSED until | BROKEN part | LOST invoice
-- A record that stands is never overwritten, even where the bitmap is lost: its suffix is marked as used again.
-- A reference begins at the same suffix each time. Where the record there was lost, the reference may be the lost one's:
-- another suffix would make a second transfer of it.

local r = cjson.decode(ARGV[1])
local actor, suffix, begun = ARGV[4], tonumber(ARGV[5]), now_ms(ARGV[2])
local deadline = begun + tonumber(ARGV[8])
local now, due = number(begun), number(math.min(begun + tonumber(ARGV[3]), deadline))

local queued, sum = counters_of('queued', r)
local used = 'used:' .. r.space
local broken, kept = read_counters({queued, sum, used})
if broken and string.find(broken[2], 'format', 1, true) then return broken end
local known = redis.call('GET', KEYS[8]) or typed(redis.pcall('HGET', KEYS[14], ARGV[10]))
if known == nil then return {'BROKEN', 'archived references'} end
if known then return {'REPLAYED', known} end

for _, pause in ipairs(pauses(KEYS[10], KEYS[11], 'send', r.terminal)) do
  if pause.till > deadline then return {'PAUSED', number(pause.till)} end
end
local record = redis.call('TYPE', KEYS[1])
if is_other(record, 'hash') then return {'BROKEN', 'record'} end
if is_other(redis.call('TYPE', KEYS[2]), 'zset') then return {'BROKEN', 'due'} end
if is_other(redis.call('TYPE', KEYS[3]), 'zset') then return {'BROKEN', 'by_state'} end
if broken then return broken end
local limit = tonumber(ARGV[7])
if limit > 0 then
  local waiting = redis.call('ZLEXCOUNT', KEYS[3], '[queued:', '(queued;')
  if waiting >= limit then return {'FULL', tostring(waiting)} end
end

local stands = record.ok ~= 'none'
if redis.call('GETBIT', KEYS[9], suffix) == 1 or stands then
  if stands then redis.call('SETBIT', KEYS[9], suffix, 1) end
  local lost = not stands and redis.call('HGET', KEYS[13], r.space .. ':' .. suffix)
  if lost then return {'LOST', lost} end
  if ARGV[6] == 'given' then return {'TAKEN', redis.call('HGET', KEYS[1], 'key') or ''} end
  local free = redis.call('BITPOS', KEYS[9], 0, math.floor(suffix / 8))
  if free < 0 or free > 999999 then free = redis.call('BITPOS', KEYS[9], 0) end
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
redis.call('HSET', KEYS[1], unpack(fields))
if ARGV[9] ~= '' then redis.call('SET', KEYS[12], ARGV[9]) end
redis.call('SETBIT', KEYS[9], suffix, 1)
redis.call('SET', KEYS[8], r.key)
redis.call('SET', KEYS[6], r.key)
redis.call('ZADD', KEYS[2], due, r.key)
redis.call('ZADD', KEYS[3], 0, place_in_lists('queued', r.terminal, now, r.key))
local by = {events = 1}
by[queued], by[sum], by[used] = 1, tonumber(r.amount), 1
return {'OK', 'queued', r.epoch, '1', raise_counters(kept, by, last == 0 and {'format', FORMAT} or {}), now}
