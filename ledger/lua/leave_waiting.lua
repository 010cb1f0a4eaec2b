-- leave_waiting: of the transfers that are due, each whose wake-up still waits in its queue is looked at again later; the
-- others are replied. A queue is heeded in the order in which it was filled, so what was called for after the message at
-- its head waits behind it; what was called for before that message has no message there any more.
-- A transfer is known to be called for by its record alone: the sweeper noted a wake-up (`woken_at`), and no time to wait
-- until was set since; or nothing has happened to it, and its producer, or the worker that resumed it, sent the wake-up.
-- A record that can't be read so is replied. No record is changed.
--
-- KEYS     1 due, and after it the records of those that are due
-- ARGV     1 a test's time (ms), or nothing
--          2 since when what is at the head of the queue of `now` was called for (ms), or nothing: that queue is empty
--          3 the same of the queue of `batch`  4 of the confirms
--          5 in how many ms at the soonest one is looked at again, and after it the keys of those that are due
-- Replies  the keys of those that are left

-- Calls that come at the same time need not stand in the order of their times.
local APART_MS = 2000

-- A transfer is looked at again after as long as it has waited, and at the latest after this, unless ARGV says later: so
-- long a queue that was lost may stay unseen.
local SOONEST_MS, LATEST_MS = 5000, 60000
local at_the_soonest = tonumber(ARGV[5])

local now, heads = now_ms(ARGV[1]), {now = tonumber(ARGV[2]), batch = tonumber(ARGV[3]), confirms = tonumber(ARGV[4])}

local function called_at(next_attempt_at, woken_at, wakeups, state_since)
  if woken_at then return (not next_attempt_at or woken_at >= next_attempt_at) and woken_at end
  return not next_attempt_at and not wakeups and state_since
end

local left, later = {}, {}
for at = 2, #KEYS do
  local name = ARGV[at + 4]
  local kept = redis.pcall('HMGET', KEYS[at], 'key', 'state', 'urgency', 'deadline_at', 'next_attempt_at', 'woken_at', 'wakeups',
    'state_since')
  local key, state, urgency = unpack(kept)
  local numbers = {}
  for place = 4, 8 do numbers[place] = tonumber(kept[place] or nil) end
  local head = state == 'resumed' and heads.confirms or state == 'queued' and heads[urgency == 'now' and 'now' or 'batch']
  local called = head and key == name and called_at(numbers[5], numbers[6], numbers[7], numbers[8])
  local ends = state == 'queued' and (numbers[4] or 0) or math.huge
  if called and called >= head - APART_MS and ends > now then
    later[#later + 1] = number(math.min(now + math.max(math.min(now - called, LATEST_MS), SOONEST_MS, at_the_soonest), ends))
    later[#later + 1] = name
  else
    left[#left + 1] = name
  end
end
if #later > 0 then redis.call('ZADD', KEYS[1], 'XX', unpack(later)) end
return left
