-- rate: how many of these may go now, by a rate that all workers share. So many have gone then.
--
-- KEYS     1 rates
-- ARGV     1 a test's time (ms), or nothing  2 how many at the most  3 ms between two  4 the name of the rate
-- Replies  how many

local now, gap = now_ms(ARGV[1]), tonumber(ARGV[3])
local count = may_go(KEYS[1], ARGV[4], now, tonumber(ARGV[2]), gap)
if count < 1 then return {'0'} end
have_gone(KEYS[1], ARGV[4], now, count, gap)
return {number(count)}
