-- vault_unburn: put the blob back in place of its own tombstone, for the next epoch. Only who holds proof that nothing
-- was sent may call this.
--
-- ARGV     1 epoch  2 tag  3 sealed  4 ms to live  5 the sealed text's key
-- Replies  OK | ALREADY | NOTHING | OTHER kind epoch

local epoch = tonumber(ARGV[1])
local kind, kept = look()
if kind == 'tombstone' and kept == epoch then
  redis.call('SET', KEYS[1], 'B:' .. number(epoch + 1) .. ':' .. ARGV[2], 'PX', ARGV[4])
  redis.call('SET', ARGV[5], ARGV[3], 'PX', ARGV[4])
  return {'OK'}
end
if kind == 'blob' and kept == epoch + 1 then return {'ALREADY'} end
if kind == 'nothing' then return {'NOTHING'} end
return {'OTHER', kind, number(kept)}
