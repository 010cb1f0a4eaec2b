-- A rate that all workers share; it is put before each script that goes by one when they are loaded. What was not used in
-- the last second may be made up for, and no more. A time ahead of now is of a clock that was wrong, and counts as none.

local BURST_MS = 1000

local function free_since(rates, name, now)
  local free = tonumber(redis.call('HGET', rates, name) or '0') or 0
  return free > now and now - BURST_MS or math.max(free, now - BURST_MS)
end

-- How many of these may go now, with so many ms between two.
local function may_go(rates, name, now, most, gap)
  return math.min(most, math.floor((now - free_since(rates, name, now)) / gap))
end

local function have_gone(rates, name, now, count, gap)
  redis.call('HSET', rates, name, number(free_since(rates, name, now) + gap * count))
end
