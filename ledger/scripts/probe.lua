-- probe: may this process ask the bank whether it is back? One of all may, each time that the time has come.
--
-- KEYS     1 breakers
-- ARGV     1 the bank's host  2 now (ms)  3 ms until the next one may
-- Replies  CLOSED | LATER until | PROBE probes

local open = tonumber(redis.call('HGET', KEYS[1], 'open:' .. ARGV[1]) or '0')
if open == 0 then return {'CLOSED'} end
if open > tonumber(ARGV[2]) then return {'LATER', string.format('%.0f', open)} end
redis.call('HSET', KEYS[1], 'open:' .. ARGV[1], string.format('%.0f', tonumber(ARGV[2]) + tonumber(ARGV[3])))
return {'PROBE', tostring(redis.call('HINCRBY', KEYS[1], 'probes:' .. ARGV[1], 1))}
