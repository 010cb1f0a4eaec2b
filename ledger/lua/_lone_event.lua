-- An event that no move of a transfer brings; it is put before each script that writes one when they are loaded.

-- What keeps an event from being written: counters of another type, a ledger of another format, or a number that can't be
-- raised. Whether the log takes it shows with the event, which is the first write.
local function unsound_log(counters)
  local kept = typed(redis.pcall('HMGET', counters, 'format', 'events', 'trimmed'))
  if not kept then return {'BROKEN', 'counters'} end
  return unsound_counts(unpack(kept))
end

-- The event, and the counters after it.
local function add_event(counters, events, fields)
  local last = tonumber(redis.call('HGET', counters, 'events') or '0')
  local unsound, id = append_event(events, last + 1, fields)
  if unsound then return unsound end
  redis.call('HINCRBY', counters, 'events', 1)
  if last == 0 then redis.call('HSET', counters, 'format', FORMAT) end
  return nil, id
end
