-- count_operator: what one operator alone requeues, discards or cancels on one day. Called before a worker does it.
-- A transfer counts once: an entry that a worker takes again counts nothing more.
--
-- KEYS     1 the day's counts by operator
-- ARGV     1 the operator  2 the transfer  3 its currency  4 the money that may move by it, 0 for none
--          5 the most transfers, or nothing  6 the most money, or nothing
-- Replies  OK | LIMIT what

local KEEP_MS = 172800000

local name, most, most_money = ARGV[1], tonumber(ARGV[5]), tonumber(ARGV[6])
local count_of, sum_of, mark = 'count:' .. name, 'sum:' .. name .. ':' .. ARGV[3], 'of:' .. name .. ':' .. ARGV[2]
local before = tonumber(redis.call('HGET', KEYS[1], mark))
local count = tonumber(redis.call('HGET', KEYS[1], count_of) or '0') + (before and 0 or 1)
local more = math.max(tonumber(ARGV[4]) - (before or 0), 0)
local sum = tonumber(redis.call('HGET', KEYS[1], sum_of) or '0') + more
if most and not before and count > most then return {'LIMIT', 'transfers'} end
if most_money and more > 0 and sum > most_money then return {'LIMIT', 'money'} end
redis.call('HSET', KEYS[1], count_of, string.format('%.0f', count))
redis.call('HSET', KEYS[1], sum_of, string.format('%.0f', sum))
redis.call('HSET', KEYS[1], mark, string.format('%.0f', (before or 0) + more))
redis.call('PEXPIRE', KEYS[1], KEEP_MS)
return {'OK'}
