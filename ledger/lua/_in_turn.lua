-- One after the other, for whatever all workers share; it is put before each script that goes by it when they are loaded.
-- The next time, from `at` on, that is free under this name among the rates: `gap` ms after the one before. What was not
-- used in the last `burst` ms may be made up for. No clock that was wrong for a moment puts it off by more than a day.

local function in_turn(rates, name, at, gap, burst)
  local before = tonumber(redis.call('HGET', rates, name) or '0') or 0
  local mine = math.min(math.max(before + gap, at - burst), at + 86400000)
  redis.call('HSET', rates, name, number(mine))
  return number(math.max(mine, at))
end
