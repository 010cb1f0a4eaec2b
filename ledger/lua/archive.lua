-- archive: of a transfer that ended long ago the ledger keeps what answers for it: its key, its end, and the digest of its
-- reference. All that its record said was exported and read back, and is given here: a record that says anything else by now
-- is left as it is.
--
-- KEYS     1 record  2 due  3 counters  4 events  5 reference  6 the archived references of that digest's place
--          7 contradicted  8 watched
-- ARGV     1 as JSON: record {name: text}, as it was exported; ends, the states that are ends, and keep, the fields that
--            stay, as [name]; digest, of the reference; file, the one that it was exported to; actor; why
--          2 a test's time (ms), or nothing  3 it must have ended before this time (ms)
-- Replies  ARCHIVED | KNOWN | CHANGED | OPEN what | BROKEN part
-- From the first one on the ledger is in the format of archived references: a process of before does not find these, and
-- would pay what they name again.

local function has(list, wanted)
  for _, each in ipairs(list) do
    if each == wanted then return true end
  end
  return false
end

local a, now = cjson.decode(ARGV[1]), now_ms(ARGV[2])
local unsound = unsound_log(KEYS[3])
if unsound then return unsound end
if is_other(redis.call('TYPE', KEYS[1]), 'hash') then return {'BROKEN', 'record'} end
if is_other(redis.call('TYPE', KEYS[6]), 'hash') then return {'BROKEN', 'archived references'} end
local archived = redis.call('HGET', KEYS[3], 'archived')
if archived and not is_count(archived, EXACT) then return {'BROKEN', 'counters'} end
if redis.call('HGET', KEYS[1], 'archive') == a.file then return {'KNOWN'} end

local r, names = a.record, 0
for name, text in pairs(r) do
  if redis.call('HGET', KEYS[1], name) ~= text then return {'CHANGED'} end
  names = names + 1
end
if names == 0 or redis.call('HLEN', KEYS[1]) ~= names then return {'CHANGED'} end

if not has(a.ends, r.state) then return {'OPEN', 'state'} end
if tonumber(r.state_since) >= tonumber(ARGV[3]) then return {'OPEN', 'young'} end
if r.question_id or r.watch_at or redis.call('ZSCORE', KEYS[8], r.key) then return {'OPEN', 'question'} end
if redis.call('ZSCORE', KEYS[2], r.key) then return {'OPEN', 'due'} end
if redis.call('HGET', KEYS[7], r.key) then return {'OPEN', 'contradiction'} end
local leads_to = redis.call('GET', KEYS[5]) or r.archived_at and r.key
if leads_to ~= r.key or (redis.call('HGET', KEYS[6], a.digest) or r.key) ~= r.key then return {'OPEN', 'reference'} end

local id
unsound, id = add_event(KEYS[3], KEYS[4],
  {'verb', 'archived', 'actor', a.actor, 'key', r.key, 'reference', a.digest, 'at', number(now), 'file', a.file,
    'why', a.why})
if unsound then return unsound end
redis.call('HSET', KEYS[3], 'format', WITH_ARCHIVED)
redis.call('HSET', KEYS[6], a.digest, r.key)
redis.call('HSET', KEYS[1], 'reference', a.digest, 'archived_at', number(now), 'archive', a.file,
  'history', history_with(nil, id, 'a'))
for name in pairs(r) do
  if not has(a.keep, name) then redis.call('HDEL', KEYS[1], name) end
end
redis.call('DEL', KEYS[5])
if not r.archived_at then redis.call('HINCRBY', KEYS[3], 'archived', 1) end
return {'ARCHIVED'}
