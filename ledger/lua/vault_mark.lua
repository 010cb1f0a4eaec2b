-- vault_mark: raise the high-water mark to the sequence of a move that an operator is told of. A ledger that is restored to
-- before it stands below the mark from then on. It is never lowered.
--
-- KEYS     1 the high-water mark
-- ARGV     4 the sequence of the move
-- Replies  OK

if tonumber(ARGV[4]) > (tonumber(redis.call('GET', KEYS[1]) or '0') or 0) then redis.call('SET', KEYS[1], ARGV[4]) end
return reply('OK')
