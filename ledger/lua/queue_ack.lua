-- queue_ack: a worker is through with a message, so nothing of it stays. Dramatiq's own `ack` knows of no beginnings, and
-- a second round trip for them would cost as much as this one.
--
-- KEYS     1 the ids that this worker has at work  2 the queue's messages  3 beginnings
-- ARGV     1 the message's id
-- Replies  nothing

if redis.call('SREM', KEYS[1], ARGV[1]) == 1 then redis.call('HDEL', KEYS[2], ARGV[1]) end
redis.call('HDEL', KEYS[3], ARGV[1])
