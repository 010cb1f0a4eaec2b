-- probe: may this process ask the bank whether it is back? One of all may, each time that the time has come.
--
-- KEYS     1 breakers
-- ARGV     1 the bank's host  2 a test's time (ms), or nothing  3 ms until the next one may  4 the farthest that a rule sets (ms)
-- Replies  CLOSED | LATER until | PROBE probes round

local open = tonumber(redis.call('HGET', KEYS[1], 'open:' .. ARGV[1]) or '0')
if open == 0 then return {'CLOSED'} end
local now, gap = now_ms(ARGV[2]), tonumber(ARGV[3])
if open > now and open <= now + tonumber(ARGV[4]) then return {'LATER', number(open)} end  -- a time that no rule gives is not heeded
redis.call('HSET', KEYS[1], 'open:' .. ARGV[1], number(now + gap))
local probes = tostring(redis.call('HINCRBY', KEYS[1], 'probes:' .. ARGV[1], 1))
return {'PROBE', probes, redis.call('HGET', KEYS[1], 'round:' .. ARGV[1]) or ''}
