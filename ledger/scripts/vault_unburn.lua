-- vault_unburn: put the blob back in place of its own tombstone, for the next epoch. Only a worker that holds proof that
-- nothing was sent may call this, and only over the tombstone that its own claim left.
--
-- ARGV     1 epoch  2 the claim's nonce  3 tag  4 sealed  5 ms to live  6 the sealed text's key
-- Replies  OK | ALREADY | NOTHING | OTHER kind epoch

local epoch = tonumber(ARGV[1])
local kind, kept, nonce = look()
if kind == 'tombstone' and kept == epoch and nonce == ARGV[2] then
  redis.call('SET', KEYS[1], blob(epoch + 1, ARGV[3]), 'PX', ARGV[5])
  redis.call('SET', ARGV[6], ARGV[4], 'PX', ARGV[5])
  wrote()
  return reply('OK')
end
if kind == 'blob' and kept == epoch + 1 then return reply('ALREADY') end
if kind == 'nothing' or kind == 'stale' then return reply('NOTHING') end
return reply('OTHER', kind, number(kept))
