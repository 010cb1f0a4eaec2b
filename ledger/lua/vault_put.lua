-- vault_put: store a sealed blob. Only over nothing (a stale blob counts as nothing), a card also over a blob of a lower
-- epoch; never over a tombstone or a closed mark.
-- A PaRes that is put is not counted: the web tier, which puts it, may not write the count that guards cards. A copy of
-- the vault that has lost it has nothing there, which proves nothing.
--
-- ARGV     4 epoch  5 tag  6 sealed  7 ms to live  8 `card` or `pares`  9 the sealed text's key
-- Replies  STORED | SAME | PRESENT kind epoch

local epoch, is_card = tonumber(ARGV[4]), ARGV[8] == 'card'
local kind, kept, tag = look()
local is_free = kind == 'nothing' or kind == 'stale'
if is_free or (kind == 'blob' and is_card and kept < epoch) then
  redis.call('SET', KEYS[1], blob(epoch, ARGV[5]), 'PX', ARGV[7])
  redis.call('SET', ARGV[9], ARGV[6], 'PX', ARGV[7])
  if is_card then wrote() end
  return reply('STORED')
end
if kind == 'blob' and kept == epoch and ARGV[5] ~= '' and tag == ARGV[5] then return reply('SAME') end
return reply('PRESENT', kind, number(kept))
