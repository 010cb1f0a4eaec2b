-- count_receiver: how much may go to one card on one day. Called after the card was opened, and before it is sent.
-- Each call counts, less what a worker has given back of this transfer, since it proved that nothing was sent.
--
-- KEYS     1 the day's counts by card
-- ARGV     1 the card's digest and the currency  2 the name of what was given back of this transfer  3 its amount
--          4 the most for the day
-- Replies  OK sum | LIMIT sum

local KEEP_MS = 172800000

local sum = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
local unsent = tonumber(redis.call('HGET', KEYS[1], ARGV[2]) or '0')
local after = sum + math.max(tonumber(ARGV[3]) - unsent, 0)
if after > tonumber(ARGV[4]) then return {'LIMIT', string.format('%.0f', sum)} end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', after))
redis.call('HDEL', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], KEEP_MS)
return {'OK', string.format('%.0f', after)}
