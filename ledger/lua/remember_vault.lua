-- remember_vault: how many writes of a run of the vault's server a process was told of. The ledger keeps the most.
--
-- KEYS     1 counters
-- ARGV     1 the run  2 the writes
-- Replies  OK writes

local kept = tonumber(redis.call('HGET', KEYS[1], 'vault:' .. ARGV[1]) or '0')
local told = math.max(kept, tonumber(ARGV[2]))
if told > kept then redis.call('HSET', KEYS[1], 'vault:' .. ARGV[1], string.format('%.0f', told)) end
return {'OK', string.format('%.0f', told)}
