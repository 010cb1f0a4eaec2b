-- What every script that needs the ledger's time shares; it is put before each of them when they are loaded.
-- The ledger's time is its server's. Only a test brings its own.

local function number(ms) return string.format('%.0f', ms) end

local function now_ms(given)
  if given and given ~= '' then return tonumber(given) end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
