-- vault_put: store a sealed blob. Only over nothing (a stale blob counts as nothing), or where `over` allows it over a
-- blob of a lower epoch; never over a tombstone or a closed mark.
--
-- ARGV     3 epoch  4 tag  5 sealed  6 ms to live  7 `over` or `` (may it replace a blob of a lower epoch?)
--          8 the sealed text's key
-- Replies  STORED | SAME | PRESENT kind epoch

local epoch = tonumber(ARGV[3])
local kind, kept, tag = look()
local is_free = kind == 'nothing' or kind == 'stale'
if is_free or (kind == 'blob' and ARGV[7] == 'over' and kept < epoch) then
  redis.call('SET', KEYS[1], blob(epoch, ARGV[4]), 'PX', ARGV[6])
  redis.call('SET', ARGV[8], ARGV[5], 'PX', ARGV[6])
  wrote()
  return reply('STORED')
end
if kind == 'blob' and kept == epoch and ARGV[4] ~= '' and tag == ARGV[4] then return reply('SAME') end
return reply('PRESENT', kind, number(kept))
