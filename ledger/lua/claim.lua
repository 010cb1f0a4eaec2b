-- claim: a worker takes a transfer, before the first byte: queued → sending, or resumed → confirming.
-- Whether it may go now is decided here too, without a further round trip: paused lanes, the breaker, the rate.
-- A breaker that is half-open lets one through, and nothing more before that one's lease is over.
-- A pause that lets trials through is told which transfer was the last of them.
-- A rate-limited transfer reserves a slot, so it claims at most twice. A batch reserves none far ahead, so that a client
-- does not wait for it. A slot stays valid for 5 s after its time: its worker fetches a token first.
--
-- A transfer that would go beyond a limit of its terminal is refused. Each claim counts to the terminal's day, whatever
-- becomes of it, less what a worker has given back of this transfer, since it proved that an earlier claim sent nothing.
--
-- After a failover no claim is made before a worker has compared that server with the vault, which keeps what the ledger
-- may have lost: a pause, say.
--
-- KEYS     as in _move.lua, and  8 pauses  9 breakers  10 rates  11 added pauses  12 the server that was compared
--          13 turns: which transfer goes for a try
--          14 the day's counts by terminal, with a limit for the day
-- ARGV     1 the move, as in _move.lua  2 lane  3 terminal  4 the bank's host  5 ms between transfers, or 0
--          6 the highest sequence of the ledger that the worker has seen
--          7 what time the worker's machine says that it is (ms), or nothing: it may not be far off the ledger's
--          8 the amount that the worker is to send  9 the name of its sum  10 the most for one transfer, or nothing
--          11 the most for the terminal and day, or nothing  12 when that day ends (ms)
--          13 the name of what was given back of this transfer
-- Replies  as move.lua, and  WAIT ms why now | PAUSED until now | BEHIND sequence now | OTHER_SERVER now
--          | CLOCK_APART now | LIMIT limit now

local BATCH_AHEAD = 5
local SLOT_STANDS_MS = 5000
local APART_MS = 2000
local DAY_MS = 86400000
local KEEP_COUNTS_MS = 172800000

local m = cjson.decode(ARGV[1])
begin(m)
if ARGV[7] ~= '' and math.abs(tonumber(ARGV[7]) - tonumber(m.now)) > APART_MS then return {'CLOCK_APART', m.now} end
local refused, r, seen = check(m)
if refused then return refused end

local sequence = tonumber(seen.kept.sequence or '0')
if sequence < tonumber(ARGV[6]) then return {'BEHIND', number(sequence), m.now} end
local compared = redis.call('HGET', KEYS[12], 'is')
if compared and string.match(compared, ':(%w+)$') ~= id_of_own_replication() then return {'OTHER_SERVER', m.now} end

local now, lane, terminal, host, gap = tonumber(m.now), ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local tried = {}
for _, pause in ipairs(pauses(KEYS[8], KEYS[11], lane, terminal)) do
  if pause.till == 0 or pause.till > now then
    if (pause.tries or 0) == 0 then return {'PAUSED', number(pause.till), m.now} end
    tried[#tried + 1] = pause
  end
end
local open_until = tonumber(redis.call('HGET', KEYS[9], 'open:' .. host) or '0')
local is_trial = open_until > 0 and redis.call('HGET', KEYS[9], 'half:' .. host)
if open_until > 0 and not is_trial then return {'WAIT', number(math.max(open_until - now, 1000)), 'breaker', m.now} end
local amount, most, most_a_day, day_ends = tonumber(ARGV[8]), ARGV[10], ARGV[11], tonumber(ARGV[12])
if most ~= '' and amount > tonumber(most) then return {'LIMIT', 'transfer', m.now} end
local sum
if most_a_day ~= '' then
  if now >= day_ends or now < day_ends - DAY_MS then return {'WAIT', '1000', 'day', m.now} end
  local unsent = tonumber(redis.call('HGET', KEYS[14], ARGV[13]) or '0')
  sum = tonumber(redis.call('HGET', KEYS[14], ARGV[9]) or '0') + math.max(amount - unsent, 0)
  if sum > tonumber(most_a_day) then return {'LIMIT', 'terminal_day', m.now} end
end
local next_slot
if gap > 0 and lane == 'send' then
  local slot = tonumber(r.rate_slot_at or '0')
  if slot < now - math.max(gap, SLOT_STANDS_MS) then
    slot = math.max(now, tonumber(redis.call('HGET', KEYS[10], terminal) or '0'))
    if r.urgency == 'batch' and slot > now + BATCH_AHEAD * gap then
      return {'WAIT', number(slot - now), 'batch', m.now}
    end
    if slot >= tonumber(r.deadline_at) then
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
local reply = write(m, r, seen)
if reply[1] ~= 'OK' then return reply end
if is_trial then
  redis.call('HDEL', KEYS[9], 'half:' .. host)
  redis.call('HDEL', KEYS[13], 'host ' .. host)
  redis.call('HSET', KEYS[9], 'trial:' .. host, m.key .. ' ' .. lane, 'open:' .. host, m.due)
end
for _, pause in ipairs(tried) do
  redis.call('HDEL', KEYS[13], 'pause ' .. pause.id)
  redis.call('HSET', KEYS[8], pause.id, table.concat({pause.start, number(pause.tries - 1), m.key, pause.rest}, ' '))
end
if next_slot then redis.call('HSET', KEYS[10], terminal, next_slot) end
if sum then
  redis.call('HSET', KEYS[14], ARGV[9], number(sum))
  redis.call('HDEL', KEYS[14], ARGV[13])
  redis.call('PEXPIRE', KEYS[14], KEEP_COUNTS_MS)
end
return reply
