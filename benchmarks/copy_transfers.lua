-- copy_transfers: copies of transfers that the ledger's own scripts made, each with a key, a reference and events of its
-- own. For benchmarks alone: a million made one by one take an hour. The counters are the caller's, all at once.
--
-- KEYS  1 what all keys of the ledger begin with
-- ARGV  1 the number of the copy  2 by how many numbers it comes after the first  3.. the keys of transfers

local root, copy, after = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local STEP = 9973 -- a copy's suffix is so far from that of the copy before it

local CRC = {}
for byte = 0, 255 do
  local crc = byte
  for _ = 1, 8 do
    crc = bit.band(crc, 1) == 1 and bit.bxor(bit.rshift(crc, 1), 0xEDB88320) or bit.rshift(crc, 1)
  end
  CRC[byte] = crc
end

local function place_of_reference(text)
  local crc = 0xFFFFFFFF
  for at = 1, #text do
    crc = bit.bxor(bit.rshift(crc, 8), CRC[bit.band(bit.bxor(crc, string.byte(text, at)), 255)])
  end
  return string.format('refs:%x', bit.band(bit.bnot(crc), 8191))
end

local function free_suffix(space, suffix)
  local used = root .. 'suffixes:' .. space
  suffix = (suffix + copy * STEP) % 1000000
  while redis.call('GETBIT', used, suffix) == 1 do suffix = (suffix + 1) % 1000000 end
  redis.call('SETBIT', used, suffix, 1)
  return string.format('%06d', suffix)
end

local function record_of(key, space)
  return root .. 'r:' .. space .. ':' .. string.sub(key, -6)
end

-- The events of the one, told again in the names of the other; replies the other's history.
local function tell_again(history, key, reference)
  local old_first, new_first, told = 0, nil, nil
  for ms, place in string.gmatch(history, 'm(%d+)%-?(%d*)') do
    local at = old_first + tonumber(ms)
    if old_first == 0 then old_first = at end
    local id = string.format('%.0f-%s', at, place == '' and '0' or place)
    local event = redis.call('XRANGE', root .. 'events', id, id)[1][2]
    local number = redis.call('HINCRBY', root .. 'counters', 'events', 1)
    for i = 1, #event, 2 do
      if event[i] == 'number' then event[i + 1] = string.format('%.0f', number) end
      if event[i] == 'key' then event[i + 1] = key end
      if event[i] == 'reference' then event[i + 1] = reference end
    end
    local new = redis.call('XADD', root .. 'events', '*', unpack(event))
    local new_ms, new_place = string.match(new, '^(%d+)%-(%d+)$')
    if told then
      told = told .. string.format('m%.0f', tonumber(new_ms) - new_first) .. (new_place == '0' and '' or '-' .. new_place)
    else
      told, new_first = 'm' .. new, tonumber(new_ms)
    end
  end
  return told
end

for i = 3, #ARGV do
  local old = ARGV[i]
  local space = string.match(old, '^(.*):') or 'main'
  local fields = redis.call('HGETALL', record_of(old, space))
  local r = {}
  for at = 1, #fields, 2 do r[fields[at]] = fields[at + 1] end
  local key = string.sub(old, 1, -7) .. free_suffix(space, tonumber(string.sub(old, -6)))
  local new = {
    key = key,
    reference = string.format('payout-%d', tonumber(string.match(r.reference, '%d+')) + after),
    ha = string.sub(r.ha, 1, 15) .. string.format('%07d', copy), -- the handle, and below it the bank's reference
  }
  new.history = tell_again(r.history, key, new.reference)
  if r.br then
    new.br = '42' .. string.sub(key, -10)
    redis.call('HSET', root .. place_of_reference(new.br), new.br, key)
  end
  for at = 1, #fields, 2 do fields[at + 1] = new[fields[at]] or fields[at + 1] end
  redis.call('HSET', record_of(key, space), unpack(fields))
  redis.call('SET', root .. 'ref:' .. new.reference, key)
  local left = redis.call('PTTL', root .. 'handle:' .. r.ha)
  redis.call('SET', root .. 'handle:' .. new.ha, key)
  if left > 0 then redis.call('PEXPIRE', root .. 'handle:' .. new.ha, left) end
  redis.call('ZADD', root .. 'by_state', 0, r.state .. ':' .. r.terminal .. ':' .. r.state_since .. ':' .. key)
  local due = redis.call('ZSCORE', root .. 'due', old)
  if due then redis.call('ZADD', root .. 'due', due, key) end
  local challenge = redis.call('GET', root .. 'challenge:' .. old)
  if challenge then redis.call('SET', root .. 'challenge:' .. key, challenge) end
end
