-- remember_vault: how many writes of a run of the vault's server a process knows of. The ledger keeps the most. What
-- stands there and is no number of at most 15 digits is no count.
--
-- KEYS     1 counters
-- ARGV     1 the run  2 the writes
-- Replies  OK writes

local function count(text)
  return string.find(text, '^%d+$') and #text <= 15 and tonumber(text) or 0
end

local kept = count(redis.call('HGET', KEYS[1], 'vault:' .. ARGV[1]) or '')
local told = math.max(kept, count(ARGV[2]))
if told > kept then redis.call('HSET', KEYS[1], 'vault:' .. ARGV[1], string.format('%.0f', told)) end
return {'OK', string.format('%.0f', told)}
