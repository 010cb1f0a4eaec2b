-- vault_put: store a sealed blob. Only over nothing (a stale blob counts as nothing), or where `over` allows it over a
-- blob of a lower epoch; never over a tombstone or a closed mark.
--
-- ARGV     1 epoch  2 tag  3 sealed  4 ms to live  5 `over` or `` (may it replace a blob of a lower epoch?)
--          6 the sealed text's key
-- Replies  STORED | SAME | PRESENT kind epoch

local epoch = tonumber(ARGV[1])
local kind, kept, tag = look()
local is_free = kind == 'nothing' or kind == 'stale'
if is_free or (kind == 'blob' and ARGV[5] == 'over' and kept < epoch) then
  redis.call('SET', KEYS[1], blob(epoch, ARGV[2]), 'PX', ARGV[4])
  redis.call('SET', ARGV[6], ARGV[3], 'PX', ARGV[4])
  wrote()
  return reply('STORED')
end
if kind == 'blob' and kept == epoch and ARGV[2] ~= '' and tag == ARGV[2] then return reply('SAME') end
return reply('PRESENT', kind, number(kept))
