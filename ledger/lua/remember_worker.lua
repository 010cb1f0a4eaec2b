-- remember_worker: what a running worker says of itself, with the ledger's time of it; or that it ended in order.
-- Workers that have been silent for long are forgotten, and of very many the longest silent ones.
--
-- KEYS     1 workers
-- ARGV     1 the worker  2 what it says, as JSON; nothing: it ended  3 a test's time (ms), or nothing
--          4 after how many ms without a word a worker is forgotten  5 how many workers are kept at the most
-- Replies  OK now

local now, forgotten_ms, most = now_ms(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local told = redis.call('HGETALL', KEYS[1])
local others = {}
for i = 1, #told, 2 do
  local at = tonumber(string.match(told[i + 1], '^%d+') or '0')
  if at + forgotten_ms <= now then
    redis.call('HDEL', KEYS[1], told[i])
  elseif told[i] ~= ARGV[1] then
    others[#others + 1] = {at, told[i]}
  end
end
table.sort(others, function(one, other) return one[1] < other[1] end)
for i = 1, #others - most + 1 do redis.call('HDEL', KEYS[1], others[i][2]) end
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], number(now) .. ' ' .. ARGV[2])
end
return {'OK', number(now)}
