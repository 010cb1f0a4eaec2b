-- turn: may this transfer go for a try that a half-open breaker or a pause lets through? One at a time: the others ask the
-- bank for no token meanwhile. `claim` ends the turn of the transfer that gets the try; one that does not come ends by time.
--
-- KEYS     1 turns  2 breakers  3 pauses
-- ARGV     1 a test's time (ms), or nothing  2 for how many ms a turn lasts  3 the transfer's key
--          4... what lets it through, each as `host NAME` or `pause FIELD`
-- Replies  YES | NO

local now, lasts = now_ms(ARGV[1]), tonumber(ARGV[2])

local function has_try(kind, name)
  if kind == 'pause' then
    return string.match(redis.call('HGET', KEYS[3], name) or '', '^%d+ %l+ %S+ (%S+) ') ~= '0'
  end
  return not redis.call('HGET', KEYS[2], 'open:' .. name) or redis.call('HGET', KEYS[2], 'half:' .. name)
end

local all = redis.call('HGETALL', KEYS[1])
local taken = {}
for at = 1, #all, 2 do
  local till, key = string.match(all[at + 1], '^(%d+) (.*)$')
  till = tonumber(till or '0')
  if till <= now or till > now + lasts then
    redis.call('HDEL', KEYS[1], all[at])
  elseif key ~= ARGV[3] then
    taken[all[at]] = true
  end
end
for at = 4, #ARGV do
  if taken[ARGV[at]] or not has_try(string.match(ARGV[at], '^(%l+) (.*)$')) then return {'NO'} end
end
for at = 4, #ARGV do redis.call('HSET', KEYS[1], ARGV[at], number(now + lasts) .. ' ' .. ARGV[3]) end
return {'YES'}
