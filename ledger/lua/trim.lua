-- trim: the log forgets its oldest events, and says so: the event `trimmed` names the number up to which they are gone.
-- Entries without a number are counted as events here, so that one shows: the event then names a number that still stands.
--
-- KEYS     1 counters  2 events
-- ARGV     1 the id before which events are forgotten, as the server finds it easy: whole pages  2 actor
-- Replies  KEPT | TRIMMED events up_to | BROKEN part

local unsound = unsound_log(KEYS[1])
if unsound then return unsound end
local gone = typed(redis.pcall('XTRIM', KEYS[2], 'MINID', '~', ARGV[1]))
if not gone then return {'BROKEN', 'events'} end
if gone == 0 then return {'KEPT'} end
local up_to = string.format('%.0f', redis.call('HINCRBY', KEYS[1], 'trimmed', gone))
unsound = add_event(KEYS[1], KEYS[2], {'verb', 'trimmed', 'actor', ARGV[2], 'up_to', up_to})
return unsound or {'TRIMMED', string.format('%.0f', gone), up_to}
