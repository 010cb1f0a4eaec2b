-- vault_burn: take the blob out, once, and leave a tombstone. The only reader of a sealed text.
--
-- KEYS     2 the high-water mark
-- ARGV     1 epoch  2 the ledger's sequence at the claim  3 the sealed text's key
-- Replies  OK sealed | LATER epoch | GONE kind epoch

local epoch = tonumber(ARGV[1])
local kind, kept = look()
if kind == 'blob' and kept > epoch then return {'LATER', number(kept)} end
if kind ~= 'blob' or kept ~= epoch then return {'GONE', kind, number(kept)} end
local sealed = redis.call('GET', ARGV[3]) or ''
redis.call('SET', KEYS[1], 'X:' .. ARGV[1], 'PX', REMEMBER_MS)
redis.call('DEL', ARGV[3])
if tonumber(ARGV[2]) > tonumber(redis.call('GET', KEYS[2]) or '0') then redis.call('SET', KEYS[2], ARGV[2]) end
return {'OK', sealed}
