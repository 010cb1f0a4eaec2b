-- What the vault's scripts share; it is put before each of them when they are loaded.
-- A transfer's card (and its PaRes) is two keys: what stands there, and the sealed text itself, of the same life.
--   B:<epoch>:<run>:<tag>   a blob: the sealed text is there, good for one take under that epoch, in that run
--   X:<epoch>:<nonce>       a tombstone: it was taken out under that epoch, by the claim with that nonce
--   C:<epoch>               closed: the transfer ended before anything was taken out
--   nothing                 never put, timed out, or the vault forgot: proof of nothing
-- A run is one start of this server. A blob that another run wrote is `stale`: the server came up from a copy of its
-- memory, and what was taken out since then may stand there again. So it proves nothing, and counts as nothing there.
-- Tombstones and closed marks only speak against sending: they are heard whatever run wrote them.
-- What is none of these is no value of ours: it counts as nothing, or one word that a thief of a password left there
-- would keep a transfer from its end.
-- The sealed text's key and the count's come in ARGV: a user that names a key in KEYS is asked for leave to read and to
-- write it. A producer, who puts sealed texts in, may read none; the web tier may not write the count.
-- A machine that is resumed from a copy of its memory keeps its run: then this server has seen fewer writes of the run than
-- the caller knows of. What stands here is no longer so, and every script refuses, whatever it was asked. The caller then
-- knows of MOST writes of that run, more than any server has seen: a run that went back is refused until it ends.
-- KEYS     1 the card, or the PaRes: what stands there
-- ARGV     1 a run  2 the most writes of that run that the caller knows of  3 the key of the count of this run's writes
-- Replies  run writes, and then BEHIND, or what each script says

-- Which run this is costs more to ask than all else here. So it is asked where the answer depends on it: where a blob stands
-- there, where something is written, and where the count that stands here is not of the caller's run, or is lower than the
-- caller knows. Else what is replied is what the caller and the count say; no blob is part of such an answer.

local REMEMBER_MS = 604800000
local MOST = 999999999999999
local DIGITS = 15

local number_of_run
local function run()
  if not number_of_run then
    local info = redis.call('INFO', 'server')
    local _, before = string.find(info, 'run_id:', 1, true) -- a pattern would be tried at each character
    number_of_run = string.sub(string.match(info, '^%x+', before + 1), 1, 8)
  end
  return number_of_run
end

local function look(place)
  place = place or KEYS[1]
  local text = redis.pcall('GET', place)
  if type(text) == 'table' and not string.find(text.err, 'WRONGTYPE', 1, true) then error(text) end
  local kind, epoch, rest = string.match(type(text) == 'string' and text or '', '^([BXC]):(%d+):?(.*)$')
  if not kind or #epoch > DIGITS then return 'nothing', 0, '' end
  if kind ~= 'B' then return ({X = 'tombstone', C = 'closed'})[kind], tonumber(epoch), rest end
  local of_run, tag = string.match(rest, '^(%x*):?(.*)$')
  return run() == of_run and 'blob' or 'stale', tonumber(epoch), tag
end

local function number(n) return string.format('%d', n) end -- DIGITS long at the most

local function blob(epoch, tag) return 'B:' .. number(epoch) .. ':' .. run() .. ':' .. tag end

local counted_run, count = string.match(redis.call('GET', ARGV[3]) or '', '^(%x+):(%d+)$')
if not count or #count > DIGITS then counted_run, count = nil, 0 end
count = math.min(tonumber(count), MOST - 1)

-- The count begins anew with each run, or a copy that is loaded would bring an old one with it.
local function writes() return run() == counted_run and count or 0 end

local function wrote(more)
  counted_run, count = run(), math.min(writes() + (more or 1), MOST)
  redis.call('SET', ARGV[3], counted_run .. ':' .. number(count))
end

local function reply(...)
  if number_of_run then return {number_of_run, number(writes()), ...} end
  return {ARGV[1], number(count), ...}
end

if counted_run ~= ARGV[1] or count < tonumber(ARGV[2]) then
  if run() == ARGV[1] and writes() < tonumber(ARGV[2]) then return reply('BEHIND') end
end
