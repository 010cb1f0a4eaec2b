-- What `create`, `claim` and `move` share: the counters, the place in the lists, the event. It is put before each of them when
-- they are loaded.
-- KEYS  4 counters  5 events

-- The counters that the script raises, by name, and what else it needs of them; or what keeps it from writing: a number that
-- can't be raised.
local function read_counters(names)
  local values = typed(redis.pcall('HMGET', KEYS[4], 'format', 'events', 'trimmed', 'sequence', unpack(names)))
  if not values then return {'BROKEN', 'counters'} end
  local format, events, trimmed, sequence = unpack(values)
  local unsound = unsound_counts(format, events, trimmed)
  if unsound then return unsound end
  if sequence and not is_count(sequence, EXACT) then return {'BROKEN', 'counters'} end
  local kept = {events = events, sequence = sequence}
  for at, name in ipairs(names) do
    local value = values[at + 4]
    if value and not is_count(value, SUM) then return {'BROKEN', 'counters'} end
    kept[name] = value
  end
  return nil, kept
end

-- Each is raised by so much, in one command; but HINCRBY raises a number that is not exact in Lua. The sequence rises with
-- them, and it is replied. `kept` has what stands there then, but for what HINCRBY raised.
local function raise_counters(kept, by, fields)
  local sequence = number(tonumber(kept.sequence or '0') + 1)
  fields[#fields + 1] = 'sequence'
  fields[#fields + 1] = sequence
  for name, step in pairs(by) do
    local value = kept[name] or '0'
    if #value > EXACT then
      redis.call('HINCRBY', KEYS[4], name, number(step))
    else
      kept[name] = number(tonumber(value) + step)
      fields[#fields + 1] = name
      fields[#fields + 1] = kept[name]
    end
  end
  kept.sequence = sequence
  redis.call('HSET', KEYS[4], unpack(fields))
  return sequence
end

-- Transfers are counted by state, terminal, currency and, in these states, by why they are in it: there it is the first
-- thing that an operator asks. Our own words for that are few, and a code of the bank is a small number.
local COUNTED_BY_REASON = {dead = true, in_doubt = true, needs_review = true, declined = true, expired = true,
  cancelled = true}

local function class_of(state, reason, code, message)
  if not COUNTED_BY_REASON[state] then return '' end
  if state == 'dead' and reason == 'attempts_used_up' and message and message ~= '' then return message end
  if code and code ~= '' and (state == 'declined' or not reason or reason == '') then return 'code_' .. code end
  return reason or ''
end

local function counters_of(state, r, reason, code, message)
  local place = state .. ':' .. r.terminal .. ':' .. r.currency .. ':' .. class_of(state, reason, code, message)
  return 'n:' .. place, 'sum:' .. place
end

-- Where the transfer stands in the lists: by state, terminal and how long it has been in that state.
local function place_in_lists(state, terminal, since, key)
  return state .. ':' .. terminal .. ':' .. since .. ':' .. key
end

local function tell(m, r, from, to, version, epoch, number_of_event)
  local entry = {'key', m.key, 'reference', r.reference, 'verb', m.verb, 'from', from, 'state', to, 'actor', m.actor,
    'version', version, 'epoch', epoch, 'at', m.now, 'amount', r.amount, 'currency', r.currency, 'terminal', r.terminal}
  for name, value in pairs(m.event) do
    entry[#entry + 1] = name
    entry[#entry + 1] = value
  end
  return append_event(KEYS[5], number_of_event, entry)
end
