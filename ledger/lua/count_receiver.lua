-- count_receiver: how much may go to one card on one day. Called after the card was opened, and before it is sent.
-- A transfer counts once a day, however often it is claimed: its mark says how much of it is counted already.
--
-- KEYS     1 the day's counts by card
-- ARGV     1 the card's digest and the currency  2 the transfer's mark  3 its amount  4 the most for the day
-- Replies  OK sum | LIMIT sum

local KEEP_MS = 172800000

local sum = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
local counted, amount = tonumber(redis.call('HGET', KEYS[1], ARGV[2]) or '0'), tonumber(ARGV[3])
local after = sum + math.max(amount - counted, 0)
if after > tonumber(ARGV[4]) then return {'LIMIT', string.format('%.0f', sum)} end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', after), ARGV[2], string.format('%.0f', math.max(amount, counted)))
redis.call('PEXPIRE', KEYS[1], KEEP_MS)
return {'OK', string.format('%.0f', after)}
