-- vault_refence: move an untouched blob to the next epoch. Done, or done already, is the proof that no send began under
-- the old epoch, and that none can.
--
-- ARGV     1 epoch
-- Replies  OK | ALREADY | NO kind epoch

local epoch = tonumber(ARGV[1])
local kind, kept, tag = look()
if kind == 'blob' and kept == epoch then
  redis.call('SET', KEYS[1], 'B:' .. number(epoch + 1) .. ':' .. tag, 'KEEPTTL')
  return {'OK'}
end
if kind == 'blob' and kept == epoch + 1 then return {'ALREADY'} end
return {'NO', kind, number(kept)}
