-- queue_fetch: a worker takes messages of a queue, each with the id under which it lies: Dramatiq's own `fetch` tells no
-- ids, and a message that names another one could not be acknowledged. They are the worker's until it does that: with a
-- later fetch, for a trip of its own would cost as much as this one. Nothing stays of what is acknowledged.
-- A key of another type than the queue's would stop every worker, so it is deleted: the ledger has every transfer. A
-- message that is too long is replaced by its length, and an id that the worker has at work already is dropped.
--
-- KEYS     1 the queue  2 its messages  3 the ids that this worker has at work  4 heartbeats
--          5 the queue's dead letters  6 their messages  7 beginnings: how often a message began without an end
-- ARGV     1 now (ms)  2 the worker's id  3 how many at the most  4 the longest that a message may be
--          5... the ids of messages that the worker is through with
-- Replies  for each its id, the message, and whether it was fetched before: then a worker may have died of it.
--          A message that is not there is nothing.

-- A heartbeat each so often is enough, and a durable server syncs its disk for each one.
local BEAT_MS = 10000

local function is_other(there, kind) return there.ok ~= 'none' and there.ok ~= kind end

if is_other(redis.call('TYPE', KEYS[1]), 'list') then redis.call('DEL', KEYS[1]) end
if is_other(redis.call('TYPE', KEYS[2]), 'hash') then redis.call('DEL', KEYS[2]) end
if is_other(redis.call('TYPE', KEYS[3]), 'set') then redis.call('DEL', KEYS[3]) end
if is_other(redis.call('TYPE', KEYS[4]), 'zset') then redis.call('DEL', KEYS[4]) end
if is_other(redis.call('TYPE', KEYS[5]), 'zset') then redis.call('DEL', KEYS[5]) end
if is_other(redis.call('TYPE', KEYS[6]), 'hash') then redis.call('DEL', KEYS[6]) end
if is_other(redis.call('TYPE', KEYS[7]), 'hash') then redis.call('DEL', KEYS[7]) end

-- First what makes room: a server whose memory is full refuses the rest.
for at = 5, #ARGV do
  if redis.call('SREM', KEYS[3], ARGV[at]) == 1 then redis.call('HDEL', KEYS[2], ARGV[at]) end
end
if #ARGV > 4 then redis.call('HDEL', KEYS[7], unpack(ARGV, 5)) end
local beat = tonumber(redis.call('ZSCORE', KEYS[4], ARGV[2]) or '0')
if math.abs(tonumber(ARGV[1]) - beat) >= BEAT_MS then redis.call('ZADD', KEYS[4], ARGV[1], ARGV[2]) end
local found = {}
for _ = 1, tonumber(ARGV[3]) do
  local id = redis.call('LPOP', KEYS[1])
  if not id then break end
  if redis.call('SADD', KEYS[3], id) == 1 then
    local bytes = redis.call('HSTRLEN', KEYS[2], id)
    if bytes > tonumber(ARGV[4]) then redis.call('HSET', KEYS[2], id, bytes .. ' bytes') end
    found[#found + 1] = id
    found[#found + 1] = redis.call('HGET', KEYS[2], id) or ''
    found[#found + 1] = redis.call('HSETNX', KEYS[7], id, 0) == 1 and '' or 'again'
  end
end
return found
