-- outcome_replay: the outcomes of one transfer that were set aside are a consumer's again, as if they had never been
-- handed out. Of several consumers that see what was asked for, one gets them.
--
-- KEYS     1 events  2 outcomes that were set aside  3 transfers whose replay is asked for
-- ARGV     1 group  2 consumer  3 field of the asked replay: group, key
--          4, 5 and so on: the fields of the outcomes: group, key, place
-- Replies  OTHER | REPLAYED place ...

if redis.call('HEXISTS', KEYS[3], ARGV[3]) == 0 then return {'OTHER'} end
local replayed = {'REPLAYED'}
for at = 4, #ARGV do
  if redis.call('HEXISTS', KEYS[2], ARGV[at]) == 1 then
    local place = string.match(ARGV[at], '[^ ]+$')
    local is_there = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, place, 'RETRYCOUNT', 0, 'FORCE', 'JUSTID')
    if #is_there > 0 then  -- an event that was taken out of the log stays set aside: it is not to be had
      redis.call('HDEL', KEYS[2], ARGV[at])
      replayed[#replayed + 1] = place
    end
  end
end
redis.call('HDEL', KEYS[3], ARGV[3])
return replayed
