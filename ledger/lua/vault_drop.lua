-- vault_drop: the transfer has ended, so its blob goes; a tombstone stays.
--
-- ARGV     4 the sealed text's key
-- Replies  OK

local kind, kept = look()
if kind == 'blob' or kind == 'stale' then
  redis.call('SET', KEYS[1], 'C:' .. number(kept), 'PX', REMEMBER_MS)
  redis.call('DEL', ARGV[4])
  wrote()
end
return reply('OK')
