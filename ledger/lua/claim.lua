-- claim: a worker takes a transfer, before the first byte: queued → sending, or resumed → confirming.
-- Whether it may go now is decided here too, without a further round trip: paused lanes, the breaker, the rate.
-- A rate-limited transfer reserves a slot, so it claims at most twice. A batch reserves none far ahead, so that a client
-- does not wait for it. A slot stays valid for 5 s after its time: its worker fetches a token first.
--
-- KEYS     as in _move.lua, and  8 lanes  9 breakers  10 rates  11 pauses
-- ARGV     1 the move, as in _move.lua  2 lane  3 terminal  4 the bank's host  5 ms between transfers, or 0
--          6 the highest sequence of the ledger that the worker has seen
--          7 what time the worker's machine says that it is (ms), or nothing: it may not be far off the ledger's
-- Replies  as move.lua, and  WAIT ms why now | PAUSED until now | BEHIND sequence now | CLOCK_APART now

local BATCH_AHEAD = 5
local SLOT_STANDS_MS = 5000
local APART_MS = 2000

local m = cjson.decode(ARGV[1])
begin(m)
if ARGV[7] ~= '' and math.abs(tonumber(ARGV[7]) - tonumber(m.now)) > APART_MS then return {'CLOCK_APART', m.now} end
local r = read()
local refused = check(m, r)
if refused then return refused end

local sequence = tonumber(redis.call('HGET', KEYS[4], 'sequence') or '0')
if sequence < tonumber(ARGV[6]) then return {'BEHIND', number(sequence), m.now} end

local now, lane, terminal, host, gap = tonumber(m.now), ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local all, own = lane .. ':*', lane .. ':' .. terminal
local added = redis.call('SMISMEMBER', KEYS[11], all, own)
for _, till in ipairs(pauses(redis.call('HMGET', KEYS[8], all, own), added)) do
  if till == 0 or till > now then return {'PAUSED', number(till), m.now} end
end
local open_until = tonumber(redis.call('HGET', KEYS[9], 'open:' .. host) or '0')
if open_until > 0 then return {'WAIT', number(math.max(open_until - now, 1000)), 'breaker', m.now} end
local next_slot
if gap > 0 and lane == 'send' then
  local slot = tonumber(redis.call('HGET', KEYS[1], 'rate_slot_at') or '0')
  if slot < now - math.max(gap, SLOT_STANDS_MS) then
    slot = math.max(now, tonumber(redis.call('HGET', KEYS[10], terminal) or '0'))
    local is_batch = redis.call('HGET', KEYS[1], 'urgency') == 'batch'
    if is_batch and slot > now + BATCH_AHEAD * gap then
      return {'WAIT', number(slot - now), 'batch', m.now}
    end
    if slot >= tonumber(redis.call('HGET', KEYS[1], 'deadline_at')) then
      return {'WAIT', number(slot - now), 'rate', m.now}
    end
    next_slot = number(slot + gap)
    if slot > now then
      redis.call('HSET', KEYS[1], 'rate_slot_at', number(slot))
      redis.call('HSET', KEYS[10], terminal, next_slot)
    end
  end
  if slot > now then return {'WAIT', number(slot - now), 'rate', m.now} end
end
local reply = write(m, r)
if next_slot and reply[1] == 'OK' then redis.call('HSET', KEYS[10], terminal, next_slot) end
return reply
