-- due: the transfers that must be looked at now, longest due first, and what time it is by the ledger. None is taken out.
--
-- KEYS     1 due
-- ARGV     1 a test's time (ms), or nothing  2 how many at the most; 0: the time alone
-- Replies  now, and the transfers' keys

local now = number(now_ms(ARGV[1]))
return {now, unpack(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[2]))}
