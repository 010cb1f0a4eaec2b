-- What the vault's scripts share; it is put before each of them when they are loaded.
-- A transfer's card (and its PaRes) is two keys: what stands there, and the sealed text itself, of the same life.
--   B:<epoch>:<tag>   a blob: the sealed text is there, good for one burn under that epoch
--   X:<epoch>         a tombstone: it was taken out under that epoch, so a request may have been sent
--   C:<epoch>         closed: the transfer ended before anything was taken out
--   nothing           never put, timed out, or the vault forgot: proof of nothing
-- The sealed text's key comes in ARGV: whoever names a key in KEYS is asked for leave to read it, and a producer, who
-- puts sealed texts in, has none.
-- KEYS  1 the card, or the PaRes: what stands there

local REMEMBER_MS = 604800000

local function look()
  local value = redis.call('GET', KEYS[1])
  if not value then return 'nothing', 0, nil end
  local kind, epoch, tag = string.match(value, '^(%a):(%d+):?(.*)$')
  return ({B = 'blob', X = 'tombstone', C = 'closed'})[kind], tonumber(epoch), tag
end

local function number(n) return string.format('%.0f', n) end
