-- inbox_take: a worker takes entries out of the inboxes. Each is this worker's until its time is over: then the worker may
-- have died, and another gets it. An entry that was dealt with is removed by its worker (ZREM).
-- Each inbox has its share of a batch, so that a sender that puts in a million entries holds up no other.
--
-- KEYS     1 the entries that are taken  2... the inboxes
-- ARGV     1 a test's time (ms), or nothing  2 for how many ms they are this worker's  3 how many at the most
--          4... the inboxes' senders, in the order of their keys
-- Replies  how many of them another worker had taken before, and the entries, those first, each as `sender entry`

-- What is far too long, no object, or not in ASCII is none of ours: it goes at once, and counts as no entry.
local LONGEST, JUNK = 8192, 1000

local function is_entry(text)
  return #text <= LONGEST and string.sub(text, 1, 1) == '{' and not string.find(text, '[\128-\255]')
end

local now, most = now_ms(ARGV[1]), tonumber(ARGV[3])
local till = number(now + tonumber(ARGV[2]))
local found = redis.call('ZRANGE', KEYS[1], '-inf', number(now), 'BYSCORE', 'LIMIT', 0, math.ceil(most / 2))
local again, share = #found, math.max(1, math.floor((most - #found) / math.max(1, #KEYS - 1)))
for at = 2, #KEYS do
  local left, junk = share, JUNK
  while left > 0 and junk > 0 do
    local entry = redis.call('LPOP', KEYS[at])
    if not entry then break end
    if is_entry(entry) then
      found[#found + 1] = ARGV[at + 2] .. ' ' .. entry
      left = left - 1
    else
      junk = junk - 1
    end
  end
end
for _, entry in ipairs(found) do redis.call('ZADD', KEYS[1], till, entry) end
return {tostring(again), unpack(found)}
