-- vault_drop: the transfer has ended, so its blob goes; a tombstone stays.
--
-- Replies  OK

local kind, kept = look()
if kind == 'blob' then redis.call('SET', KEYS[1], 'C:' .. number(kept), 'PX', REMEMBER_MS) end
return {'OK'}
