-- set_aside: a record that this version can't read is looked at again later, so that it holds up no other transfer. It
-- stays in `due`, and the alarm is raised once, for as long as the same is wrong with it.
--
-- KEYS     1 due  2 unreadable  3 events  4 counters
-- ARGV     1 the transfer's key  2 what can't be read  3 now (ms)  4 ms until it is looked at again  5 actor
-- Replies  ASIDE | LATER | BROKEN part

local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not due or tonumber(due) > tonumber(ARGV[3]) then return {'LATER'} end
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then
  local unsound = unsound_log(KEYS[4]) or add_event(KEYS[4], KEYS[3], {'verb', 'record_unreadable',
    'actor', ARGV[5], 'at', ARGV[3], 'key', ARGV[1], 'reason', ARGV[2]})
  if unsound then return unsound end
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[1], string.format('%.0f', tonumber(ARGV[3]) + tonumber(ARGV[4])), ARGV[1])
return {'ASIDE'}
