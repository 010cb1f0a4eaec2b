-- vault_refence: move an untouched blob to the next epoch. Done, or done already, is the proof that no send began under
-- the old epoch, and that none can. A blob comes to a later epoch of its generation only untouched, or put back with
-- proof; another generation is another card, and says nothing of this one.
--
-- ARGV     4 epoch
-- Replies  OK | ALREADY | NO kind epoch

local GENERATION = 1000000

local epoch = tonumber(ARGV[4])
local kind, kept, tag = look()
if kind == 'blob' and kept == epoch then
  redis.call('SET', KEYS[1], blob(epoch + 1, tag), 'KEEPTTL')
  wrote()
  return reply('OK')
end
if kind == 'blob' and kept > epoch and math.floor(kept / GENERATION) == math.floor(epoch / GENERATION) then
  return reply('ALREADY')
end
return reply('NO', kind, number(kept))
