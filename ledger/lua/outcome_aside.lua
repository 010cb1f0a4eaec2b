-- outcome_aside: an outcome that its group's handler can't deal with is kept for people, and its consumer owes it no more.
-- Both at once: it is never owed by none and kept nowhere. One behind another is set aside only while that one is, and
-- while no replay of the transfer is asked for: so a replay finds all of them.
--
-- KEYS     1 events  2 outcomes that were set aside  3 transfers whose replay is asked for
-- ARGV     1 group  2 consumer  3 place  4 field of the hash: group, key, place  5 what is kept, as JSON
--          6 the field of the outcome before it, or nothing  7 field of the asked replay: group, key
-- Replies  ASIDE | GONE | LATER

if ARGV[6] ~= '' then
  if redis.call('HEXISTS', KEYS[2], ARGV[6]) == 0 then return {'LATER'} end
  if redis.call('HEXISTS', KEYS[3], ARGV[7]) == 1 then return {'LATER'} end
end
if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2]) == 0 then return {'GONE'} end
redis.call('HSET', KEYS[2], ARGV[4], ARGV[5])
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
return {'ASIDE'}
