-- ledger_look: which server answers as the ledger, and which one the workers compared with the vault last. While these are
-- one, the time at which it was seen is kept: a server that started before that time ran beside the one before it.
-- A promoted replica knows the replication's id that it had before, until it has had no replica for an hour.
--
-- KEYS     1 the server that was compared  2 counters
-- ARGV     1 ms between two notes of the time  2 `count`: the sequence rises by one, if these are one
-- Replies  server compared was_replica ran_beside sequence

-- A server counts its uptime between whole seconds: it may have started a second later than that says.
local SECOND_MS = 1000

local info = redis.call('INFO', 'server', 'replication')
local id = string.sub(told(info, 'run_id'), 1, 16) .. ':' .. id_of_replication(info)
local compared, seen_at = unpack(redis.call('HMGET', KEYS[1], 'is', 'seen_at'))
local now, seen = now_ms(), tonumber(seen_at or '') or 0
local started = now - (tonumber(told(info, 'uptime_in_seconds')) or 0) * 1000 + SECOND_MS
local sequence = redis.call('HGET', KEYS[2], 'sequence') or '0'
if not is_count(sequence, EXACT) then sequence = '0' end
if compared == id then
  if seen + tonumber(ARGV[1]) <= now or seen > now then redis.call('HSET', KEYS[1], 'seen_at', number(now)) end
  if ARGV[2] == 'count' then sequence = number(redis.call('HINCRBY', KEYS[2], 'sequence', 1)) end
end
local is_run_new = string.match(compared or '', '^%w*') ~= string.match(id, '^%w*')
local was_replica = string.match(told(info, 'master_replid2'), '[^0]') ~= nil
return {id, compared or '', was_replica and '1' or '0', is_run_new and started <= seen and '1' or '0', sequence}
