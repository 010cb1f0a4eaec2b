-- remember_vault_keys: which of the vault's keys a running worker opens with. So a machine without private keys learns
-- whether every worker opens what a public key seals. Entries of workers that are gone are deleted.
--
-- KEYS     1 vault keys
-- ARGV     1 the worker  2 the ids of its keys, a blank between them  3 a test's time (ms), or nothing
--          4 after how many ms without a word a worker is gone
-- Replies  OK

local now, gone_ms = now_ms(ARGV[3]), tonumber(ARGV[4])
local told = redis.call('HGETALL', KEYS[1])
for i = 1, #told, 2 do
  local at = tonumber(string.match(told[i + 1], '^%d+') or '0')
  if at + gone_ms <= now then redis.call('HDEL', KEYS[1], told[i]) end
end
redis.call('HSET', KEYS[1], ARGV[1], number(now) .. ' ' .. ARGV[2])
return {'OK'}
