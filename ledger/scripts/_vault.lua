-- What the vault's scripts share; it is put before each of them when they are loaded.
-- A transfer's card (and its PaRes) is one key. What stands there:
--   B:<epoch>:<tag>:<sealed>   the blob, good for one burn under that epoch
--   X:<epoch>                  a tombstone: it was taken out under that epoch, so a request may have been sent
--   C:<epoch>                  closed: the transfer ended before anything was taken out
--   nothing                    never put, timed out, or the vault forgot: proof of nothing
-- KEYS  1 the card, or the PaRes

local REMEMBER_MS = 604800000

local function look()
  local value = redis.call('GET', KEYS[1])
  if not value then return 'nothing', 0, nil end
  local kind, epoch, rest = string.match(value, '^(%a):(%d+):?(.*)$')
  return ({B = 'blob', X = 'tombstone', C = 'closed'})[kind], tonumber(epoch), rest
end

local function number(n) return string.format('%.0f', n) end
