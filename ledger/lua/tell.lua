-- tell: an event that is no move of a transfer, together with the change of one hash that it reports.
--
-- KEYS     1 counters  2 events, and in the order of their places here, those that it needs of: the hash that is changed,
--          another hash that a field leaves, the record of the transfer that the event is about, the set of ended pauses
-- ARGV     1 as JSON: event [name, text, ...]; hash, other, record, ended: the places, in KEYS, of those; and of a hash that is changed
--            set     its fields that are set, as {name: text}
--            remove  its fields that are removed, as [name]
--            of      its name, for an error
--            leaves  the field that leaves the other hash
--            must_leave  it must be there: else nothing is changed
--            once    no event and no change, where the hash is so already
--            was     what its fields must be, as {name: text}, an empty text for none: else nothing is changed
--            state   the state that the record must be in: else nothing is changed
--            ends    digests that come into the set of ended pauses; it keeps the last MOST_ENDED
--            unless_ended  a digest that may not be in it, or an empty text: else nothing is changed
--            counted it raises the ledger's sequence, as a move does
-- Replies  TOLD sequence | KNOWN | OTHER | BROKEN part

local MOST_ENDED = 1000

local t = cjson.decode(ARGV[1])
local unsound = unsound_log(KEYS[1])
if unsound then return unsound end
local raised = t.counted and redis.call('HGET', KEYS[1], 'sequence')
if raised and not is_count(raised, EXACT) then return {'BROKEN', 'counters'} end
if t.record and redis.call('TYPE', KEYS[t.record]).ok ~= 'hash' then t.record = nil end
if t.record and t.state and redis.call('HGET', KEYS[t.record], 'state') ~= t.state then return {'OTHER'} end
if t.hash then
  local kind, news = redis.call('TYPE', KEYS[t.hash]).ok, not t.once
  if kind ~= 'none' and kind ~= 'hash' then return {'BROKEN', t.of} end
  for name, text in pairs(t.was) do
    if (redis.call('HGET', KEYS[t.hash], name) or '') ~= text then return {'OTHER'} end
  end
  for name in pairs(t.set) do news = news or not redis.call('HGET', KEYS[t.hash], name) end
  for _, name in ipairs(t.remove) do news = news or redis.call('HGET', KEYS[t.hash], name) end
  if t.other then
    kind = redis.call('TYPE', KEYS[t.other]).ok
    if kind ~= 'none' and kind ~= 'hash' then return {'BROKEN', 'pauses'} end
    if t.must_leave and not redis.call('HGET', KEYS[t.other], t.leaves) then return {'OTHER'} end
  end
  if t.ended then
    kind = redis.call('TYPE', KEYS[t.ended]).ok
    if kind ~= 'none' and kind ~= 'zset' then return {'BROKEN', 'pauses'} end
    if t.unless_ended ~= '' and redis.call('ZSCORE', KEYS[t.ended], t.unless_ended) then return {'OTHER'} end
  end
  if not news then return {'KNOWN'} end
end
local id
unsound, id = add_event(KEYS[1], KEYS[2], t.event)
if unsound then return unsound end
for name, value in pairs(t.set) do redis.call('HSET', KEYS[t.hash], name, value) end
for _, name in ipairs(t.remove) do redis.call('HDEL', KEYS[t.hash], name) end
if t.other then redis.call('HDEL', KEYS[t.other], t.leaves) end
if t.ended then
  for _, digest in ipairs(t.ends) do redis.call('ZADD', KEYS[t.ended], number(now_ms('')), digest) end
  redis.call('ZREMRANGEBYRANK', KEYS[t.ended], 0, -MOST_ENDED - 1)
end
if t.record then
  local history = redis.call('HGET', KEYS[t.record], 'history')
  redis.call('HSET', KEYS[t.record], 'history', history_with(history, id, 'a'))
end
local sequence = '0'
if t.counted then sequence = string.format('%.0f', redis.call('HINCRBY', KEYS[1], 'sequence', 1)) end
return {'TOLD', sequence}
