-- vault_take: take the blob out, once, and leave a tombstone. The only reader of a sealed text.
-- The mark is the highest sequence of the ledger at which anything was taken out, as it was before this take: a ledger
-- that stands below it has forgotten. What is given back may live no longer than it had left; a text without an end of its
-- own has nothing left.
--
-- KEYS     2 the high-water mark
-- ARGV     4 epoch  5 the ledger's sequence at the claim  6 the claim's nonce  7 the sealed text's key
-- Replies  OK sealed mark ms-left | MINE | LATER epoch | GONE kind epoch

local epoch = tonumber(ARGV[4])
local kind, kept, nonce = look()
if kind == 'tombstone' and kept == epoch and nonce == ARGV[6] then return reply('MINE') end
if kind == 'blob' and kept > epoch then return reply('LATER', number(kept)) end
if kind ~= 'blob' or kept ~= epoch then return reply('GONE', kind, number(kept)) end
local sealed = redis.call('GET', ARGV[7]) or ''
local left = math.max(redis.call('PTTL', ARGV[7]), 0)
local mark = redis.call('GET', KEYS[2]) or '0'
local is_higher = tonumber(ARGV[5]) > tonumber(mark)
redis.call('SET', KEYS[1], 'X:' .. ARGV[4] .. ':' .. ARGV[6], 'PX', REMEMBER_MS)
redis.call('DEL', ARGV[7])
if is_higher then redis.call('SET', KEYS[2], ARGV[5]) end
wrote()
return reply('OK', sealed, mark, number(left))
