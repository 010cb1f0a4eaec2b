-- watched: the transfers that the bank is to be asked about now, beside those in due, longest due first. Each stays in the
-- set, and comes again if no worker has asked by then. All workers together get so many a second and no more. Those that
-- come again get a part of it: so many that none can ask about keep no new one waiting.
--
-- KEYS     1 watched  2 rates
-- ARGV     1 a test's time (ms), or nothing  2 how many at the most  3 ms until each comes again  4 ms between two
--          5 the name, among the rates, of when the next one may be asked about  6 ms between two that come again
-- Replies  the transfers' keys

local now, gap = now_ms(ARGV[1]), tonumber(ARGV[4])
local most = may_go(KEYS[2], ARGV[5], now, tonumber(ARGV[2]), gap)
if most < 1 then return {} end
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', number(now), 'LIMIT', 0, most)
for _, key in ipairs(found) do
  redis.call('ZADD', KEYS[1], in_turn(KEYS[2], ARGV[5] .. ':again', now + tonumber(ARGV[3]), tonumber(ARGV[6]), 0), key)
end
if #found > 0 then have_gone(KEYS[2], ARGV[5], now, #found, gap) end
return found
