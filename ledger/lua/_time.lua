-- What every script that needs the ledger's time shares; it is put before each of them when they are loaded.
-- The ledger's time is its server's. Only a test brings its own.

-- The text of a whole number. `%d` costs half of what `%.0f` does, but knows no number that is longer.
local function number(n) return string.format(n < 1e15 and n > -1e15 and '%d' or '%.0f', n) end

local function now_ms(given)
  if given and given ~= '' then return tonumber(given) end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
