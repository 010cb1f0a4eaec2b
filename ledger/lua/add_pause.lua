-- add_pause: an operator pauses a lane. It holds at once, and a worker is asked to write down by whom and why.
-- It has to be possible on a server whose memory is full. So all that it adds is bounded: as many pauses as
-- hold everything anyway, and in the inbox as many entries; further ones are for a worker to take out first.
--
-- KEYS     1 added pauses  2 the operators' names  3 the operator's inbox
-- ARGV     1 the pause's id  2 the pause  3 the operator's name  4 the entry; empty: no worker is asked
-- Replies  ADDED | UNASKED (the inbox is full) | KNOWN (there is another of this id) | MANY (everything is held already)

local MOST_PAUSES, MOST_ENTRIES = 200, 1000
local LONGEST_ID, LONGEST_PAUSE, LONGEST_NAME, LONGEST_ENTRY = 40, 400, 32, 8192

if #ARGV[1] > LONGEST_ID or #ARGV[2] > LONGEST_PAUSE or #ARGV[3] > LONGEST_NAME or #ARGV[4] > LONGEST_ENTRY then
  return {'MANY'}
end
if redis.call('HLEN', KEYS[1]) > MOST_PAUSES then return {'MANY'} end
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 0 then return {'KNOWN'} end
if ARGV[4] == '' then return {'ADDED'} end
if redis.call('LLEN', KEYS[3]) >= MOST_ENTRIES then return {'UNASKED'} end
redis.call('SADD', KEYS[2], ARGV[3])
redis.call('RPUSH', KEYS[3], ARGV[4])
return {'ADDED'}
