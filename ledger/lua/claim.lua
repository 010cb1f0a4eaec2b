-- claim: a worker takes a transfer, before the first byte: queued → sending, or resumed → confirming.
-- Whether it may go now is decided here too, without a further round trip: paused lanes, the breaker, the rate. Who has
-- to wait for the rate gets a turn of its own, so that it asks twice at the most; a batch takes none far ahead, so that a
-- client does not wait for it. A turn that passed unused is void, but not at once: who comes for it fetches a token first.
--
-- KEYS     as in _move.lua, and  8 lanes  9 breakers  10 rates
-- ARGV     1 the move, as in _move.lua  2 lane  3 terminal  4 the bank's host  5 ms between transfers, or 0
--          6 the highest sequence of the ledger that the worker has seen
--          7 what time the worker's machine says that it is (ms), or nothing: it may not be far off the ledger's
-- Replies  as move.lua, and  WAIT ms why now | PAUSED until now | BEHIND sequence now | CLOCK_APART now

local BATCH_AHEAD = 5
local TURN_STANDS_MS = 5000
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
for _, field in ipairs({lane .. ':*', lane .. ':' .. terminal}) do
  local stop = redis.call('HGET', KEYS[8], field)
  local till = stop and tonumber(string.match(stop, '^%d+'))
  if till and (till == 0 or till > now) then return {'PAUSED', number(till), m.now} end
end
local open_until = tonumber(redis.call('HGET', KEYS[9], 'open:' .. host) or '0')
if open_until > 0 then return {'WAIT', number(math.max(open_until - now, 1000)), 'breaker', m.now} end
local next_slot
if gap > 0 and lane == 'send' then
  local turn = tonumber(redis.call('HGET', KEYS[1], 'rate_slot_at') or '0')
  if turn < now - math.max(gap, TURN_STANDS_MS) then
    turn = math.max(now, tonumber(redis.call('HGET', KEYS[10], terminal) or '0'))
    local is_batch = redis.call('HGET', KEYS[1], 'urgency') == 'batch'
    if is_batch and turn > now + BATCH_AHEAD * gap then
      return {'WAIT', number(turn - now), 'batch', m.now}
    end
    if turn >= tonumber(redis.call('HGET', KEYS[1], 'deadline_at')) then
      return {'WAIT', number(turn - now), 'rate', m.now}
    end
    next_slot = number(turn + gap)
    if turn > now then
      redis.call('HSET', KEYS[1], 'rate_slot_at', number(turn))
      redis.call('HSET', KEYS[10], terminal, next_slot)
    end
  end
  if turn > now then return {'WAIT', number(turn - now), 'rate', m.now} end
end
local reply = write(m, r)
if next_slot then redis.call('HSET', KEYS[10], terminal, next_slot) end
return reply
