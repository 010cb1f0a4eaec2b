-- remember_fingerprint_keys: which fingerprint keys producers compare intents by. A list that shares no key with what is
-- known belongs to another ledger, or is wrong: nothing is added. On an empty ledger the first list counts.
--
-- KEYS     1 fingerprint keys
-- ARGV     1 the ids of this producer's keys, a blank between them  2 how many ids are kept at most
-- Replies  OK | UNKNOWN ids, a blank between them

local known = redis.call('SMEMBERS', KEYS[1])
local is_known = #known == 0
for id in string.gmatch(ARGV[1], '%S+') do
  if redis.call('SISMEMBER', KEYS[1], id) == 1 then is_known = true end
end
if not is_known then
  table.sort(known)
  return {'UNKNOWN', table.concat(known, ' ', 1, math.min(#known, tonumber(ARGV[2])))}
end
local room = tonumber(ARGV[2]) - #known
for id in string.gmatch(ARGV[1], '%S+') do
  if room > 0 then room = room - redis.call('SADD', KEYS[1], id) end
end
return {'OK'}
