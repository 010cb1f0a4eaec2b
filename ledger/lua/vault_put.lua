-- vault_put: store sealed blobs. Each only over nothing (a stale blob counts as nothing), a card also over a blob of a lower
-- epoch; never over a tombstone or a closed mark.
-- A PaRes that is put is not counted: the web tier, which puts it, may not write the count that guards cards. A copy of
-- the vault that has lost it has nothing there, which proves nothing. Before the first card is stored, as many are counted as
-- there are places, stored or not: no error leaves one that is not counted, and a count that is too high guards as well.
-- What has no time left to live is stored for a millisecond.
--
-- KEYS     the places, all of cards or all of a PaRes
-- ARGV     4 `card` or `pares`; and for each place 5: epoch, tag, sealed, ms to live, the sealed text's key
-- Replies  for each place STORED | SAME | PRESENT

local is_card, stored, words = ARGV[4] == 'card', 0, {}
for at, place in ipairs(KEYS) do
  local epoch, tag, sealed, life_ms, place_of_text = unpack(ARGV, 5 * at, 5 * at + 4)
  local kind, kept, stands = look(place)
  if kind == 'nothing' or kind == 'stale' or (kind == 'blob' and is_card and kept < tonumber(epoch)) then
    if is_card and stored == 0 then wrote(#KEYS) end
    life_ms = math.max(tonumber(life_ms), 1)
    redis.call('SET', place, blob(tonumber(epoch), tag), 'PX', life_ms)
    redis.call('SET', place_of_text, sealed, 'PX', life_ms)
    stored = stored + 1
    words[at] = 'STORED'
  elseif kind == 'blob' and kept == tonumber(epoch) and tag ~= '' and stands == tag then
    words[at] = 'SAME'
  else
    words[at] = 'PRESENT'
  end
end
return reply(unpack(words))
