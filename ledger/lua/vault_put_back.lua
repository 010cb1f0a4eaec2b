-- vault_put_back: put the blob back in place of its own tombstone, for the next epoch. Only a worker that holds proof that
-- nothing was sent may call this, and only over the tombstone that its own claim left.
--
-- ARGV     4 epoch  5 the claim's nonce  6 tag  7 sealed  8 ms to live  9 the sealed text's key
-- Replies  OK | ALREADY | NOTHING | OTHER kind epoch

local epoch = tonumber(ARGV[4])
local kind, kept, nonce = look()
if kind == 'tombstone' and kept == epoch and nonce == ARGV[5] then
  redis.call('SET', KEYS[1], blob(epoch + 1, ARGV[6]), 'PX', ARGV[8])
  redis.call('SET', ARGV[9], ARGV[7], 'PX', ARGV[8])
  wrote()
  return reply('OK')
end
if kind == 'blob' and kept == epoch + 1 then return reply('ALREADY') end
if kind == 'nothing' or kind == 'stale' then return reply('NOTHING') end
return reply('OTHER', kind, number(kept))
