-- inbox_take: a worker takes entries out of the inboxes. Each is this worker's until its time is over: then the worker may
-- have died, and another gets it. An entry that was dealt with is removed by its worker (ZREM).
--
-- KEYS     1 the entries that are taken  2... the inboxes
-- ARGV     1 a test's time (ms), or nothing  2 for how many ms they are this worker's  3 how many at the most
--          4... the inboxes' senders, in the order of their keys
-- Replies  entries, each as `sender entry`; those whose worker did not finish come first

local now, most = now_ms(ARGV[1]), tonumber(ARGV[3])
local till = number(now + tonumber(ARGV[2]))
local found = redis.call('ZRANGE', KEYS[1], '-inf', number(now), 'BYSCORE', 'LIMIT', 0, most)
for at = 2, #KEYS do
  while #found < most do
    local entry = redis.call('LPOP', KEYS[at])
    if not entry then break end
    found[#found + 1] = ARGV[at + 2] .. ' ' .. entry
  end
end
for _, entry in ipairs(found) do redis.call('ZADD', KEYS[1], till, entry) end
return found
