-- half_open: a bank's host answers a question, so the next claim goes through, and no other. Only where its breaker stands
-- open as it did when the host was asked, and where no transfer was let through that is not judged yet.
--
-- KEYS     1 breakers
-- ARGV     1 the bank's host  2 the round of the breaker, as `probe` said it
-- Replies  HALF | NOT

local open, round, trial =
  unpack(redis.call('HMGET', KEYS[1], 'open:' .. ARGV[1], 'round:' .. ARGV[1], 'trial:' .. ARGV[1]))
if not open or trial or (round or '') ~= ARGV[2] then return {'NOT'} end
redis.call('HSET', KEYS[1], 'half:' .. ARGV[1], '1')
return {'HALF'}
