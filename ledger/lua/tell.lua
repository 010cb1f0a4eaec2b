-- tell: an event that is no move of a transfer, together with the change of one hash that it reports.
--
-- KEYS     1 counters  2 events  3 the hash that is changed; or none  4 the set that a member leaves; or none
-- ARGV     1 as JSON: event [name, text, ...], and of a hash that is changed
--            set     its fields that are set, as {name: text}
--            remove  its fields that are removed, as [name]
--            of      its name, for an error
--            leaves  the member that leaves the set
--            once    no event and no change, where the hash is so already
--            was     what its fields must be, as {name: text}, an empty text for none: else nothing is changed
-- Replies  TOLD | KNOWN | OTHER | BROKEN part

local t = cjson.decode(ARGV[1])
local unsound = unsound_log(KEYS[1], KEYS[2])
if unsound then return unsound end
if #KEYS > 2 then
  local kind, news = redis.call('TYPE', KEYS[3]).ok, not t.once
  if kind ~= 'none' and kind ~= 'hash' then return {'BROKEN', t.of} end
  for name, text in pairs(t.was) do
    if (redis.call('HGET', KEYS[3], name) or '') ~= text then return {'OTHER'} end
  end
  for name in pairs(t.set) do news = news or not redis.call('HGET', KEYS[3], name) end
  for _, name in ipairs(t.remove) do news = news or redis.call('HGET', KEYS[3], name) end
  if t.leaves then
    kind = redis.call('TYPE', KEYS[4]).ok
    if kind ~= 'none' and kind ~= 'set' then return {'BROKEN', 'pauses'} end
  end
  if not news then return {'KNOWN'} end
end
unsound = add_event(KEYS[1], KEYS[2], t.event)
if unsound then return unsound end
for name, value in pairs(t.set) do redis.call('HSET', KEYS[3], name, value) end
for _, name in ipairs(t.remove) do redis.call('HDEL', KEYS[3], name) end
if t.leaves then redis.call('SREM', KEYS[4], t.leaves) end
return {'TOLD'}
