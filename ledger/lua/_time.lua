-- What every script that needs the ledger's time shares; it is put before each of them when they are loaded.
-- The ledger's time is its server's. Only a test brings its own.

local function number(ms) return string.format('%.0f', ms) end

local function now_ms(given)
  if given and given ~= '' then return tonumber(given) end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- The next time, from `at` on, that is free under this name among the rates: `gap` ms after the one before. What was not
-- used in the last `burst` ms may be made up for. No clock that was wrong for a moment puts it off by more than a day.
local function in_turn(rates, name, at, gap, burst)
  local before = tonumber(redis.call('HGET', rates, name) or '0') or 0
  local mine = math.min(math.max(before + gap, at - burst), at + 86400000)
  redis.call('HSET', rates, name, number(mine))
  return number(math.max(mine, at))
end
