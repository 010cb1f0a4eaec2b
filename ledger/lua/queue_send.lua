-- queue_send: messages for a queue, all at once: each under its id, in their order.
--
-- KEYS     1 the queue  2 its messages
-- ARGV     ids and messages by turns
-- Replies  nothing

for at = 1, #ARGV, 2 do
  redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1])
  redis.call('RPUSH', KEYS[1], ARGV[at])
end
