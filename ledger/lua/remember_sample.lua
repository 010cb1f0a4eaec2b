-- remember_sample: the ledger's numbers of one minute. One worker of all takes the turn, and then brings the sample.
--
-- KEYS     1 samples  2 the turn
-- ARGV     1 the sample, as JSON; nothing: to take the turn  2 how long a turn lasts (ms)
--          3 how many samples are kept
-- Replies  TURN | KNOWN | OK

if ARGV[1] == '' then
  if redis.call('SET', KEYS[2], '1', 'NX', 'PX', ARGV[2]) then return {'TURN'} end
  return {'KNOWN'}
end
redis.call('LPUSH', KEYS[1], ARGV[1])
redis.call('LTRIM', KEYS[1], 0, tonumber(ARGV[3]) - 1)
return {'OK'}
