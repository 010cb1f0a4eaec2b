-- outcome_ready: may these outcomes be handed out? One waits while the outcome before it, of the same transfer, is owed
-- by a consumer of the group; and it is set aside, too, where that one is.
--
-- KEYS     1 events  2 outcomes that were set aside
-- ARGV     1 group  2, 3 and so on: of each, the group, the key and the place of the outcome before it, as the hash has it
-- Replies  of each, in order: ready, waits or aside

local words = {}
for at = 2, #ARGV do
  local place = string.match(ARGV[at], '[^ ]+$')
  local word = 'ready'
  if redis.call('HEXISTS', KEYS[2], ARGV[at]) == 1 then
    word = 'aside'
  elseif #redis.call('XPENDING', KEYS[1], ARGV[1], place, place, 1) > 0 then
    word = 'waits'
  end
  words[#words + 1] = word
end
return words
