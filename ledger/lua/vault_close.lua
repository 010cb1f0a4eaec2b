-- vault_close: before a transfer that was never sent ends, see to it that no worker can send it any more.
-- A blob goes to the next epoch (it is dropped once the ledger has agreed), nothing becomes a closed mark. So does a blob
-- of a later epoch: a ledger that went back has forgotten who may hold a claim under that one. And any tombstone says
-- that something was taken out: where the ledger has forgotten nothing, none stands at a transfer that was never sent.
--
-- ARGV     4 epoch  5 the sealed text's key
-- Replies  OK | TAKEN epoch

local epoch = tonumber(ARGV[4])
local kind, kept, tag = look()
if kind == 'tombstone' then return reply('TAKEN', number(kept)) end
if kind == 'blob' and kept >= epoch then
  redis.call('SET', KEYS[1], blob(kept + 1, tag), 'KEEPTTL')
  wrote()
elseif kind == 'nothing' or kind == 'stale' then
  redis.call('SET', KEYS[1], 'C:' .. ARGV[4], 'PX', REMEMBER_MS)
  redis.call('DEL', ARGV[5])
  wrote()
end
return reply('OK')
