-- What every script that changes a transfer shares; it is put before each of them when they are loaded.
-- The law: state, version, `due`, `by_state`, counters and event are written here, together, or not at all. Everything is
-- checked before the first write, for a script that fails half-way keeps what it wrote; and the event is written first,
-- because whether the log takes it shows only then. After it the record is written.
-- A caller says how long something is to last; what time that is, the ledger says.
--
-- CLEARED is put before this when it is loaded: the fields of a record that end with a lifetime, the shortest first.
--
-- KEYS  1 record  2 due  3 by_state  4 counters  5 events  6 handle  7 challenge
--       8 the bank's transfer id as it was kept before `ids`, with one or with a challenge  9 md, with a challenge
-- ARGV  1 the move, as JSON: key, verb, actor, moves {to: each from, between spaces}, and where they apply
--         now           a test's time, in place of the server's
--         after         the move is made from this time on (ms), and not before
--         before        the move is made before this time (ms), and not from it on
--         epoch, late   the record's epoch must be this one, or with `late` this one or lower
--         phase         the record's phase must be this one
--         version       the record's version must be this one
--         claim         the record's last claim must have had this nonce: another claim's worker may be sending
--         wakeups       it must have had this many wake-ups: of many sweepers, one sends the next
--         unless_paid   not where the bank's proved notification says that it paid
--         due_in        in how many ms it must be looked at again; without it and due the transfer ends
--         due           when it must be looked at again (ms): a time that the ledger gave
--         no_later      due_in and what is set by set_in ends here (ms) at the latest
--         keep_due      `due` stays as it is: the move only adds a note
--         set, unset    fields of the record, as {name: text} and [name]; by their names in the hash, as below
--         clears        so many of CLEARED go as well, before any is set
--         set_in        fields of the record that are times, as {name: in how many ms}
--         told          which of set_in the event repeats, as [name]
--         add           counts of the record to raise by one, as [name]
--         event         what else the event says, as {name: text}
--         quiet         no event and no new version: nothing happened to the transfer
--         challenge     what to keep at KEYS[7] until the transfer is final
--         challenge_ms  how long KEYS[9] leads to the transfer
--         prints        of an end: the key of the cards' prints, to be deleted; no KEY, for only producers may read there
--         home          of an end: what the client's page still needs of the order; it goes behind the key, at KEYS[6]
--         ids, id       with a bank_id: the place, in KEYS, of the index where it leads to the transfer; its name there
--         reference     the bank's, which the move sets
--         references    with a reference: the place, in KEYS, of the index where it leads to the transfer
--         watched       with a watch: the place, in KEYS, of what is asked about beside due; no watch_at takes it out
--         rates         with a question: the place, in KEYS, of the rates
--         asker         the bank is asked for this operator, beside the others: one alone takes half of what is asked
--         contradicted  with a correction: the place, in KEYS, of the hash where the bank contradicts an end; it leaves
--         vault         a run of the vault's server, and the most writes that the caller was told of it

local SETTLED_DAY_MS = 86400000

-- Of one operator's questions the bank is asked one in so long, and a dozen at once after a rest: half of what all get.
local ASKED_EACH_MS, ASKED_AT_ONCE_MS = 400, 5000

-- An index is short hashes, which the server keeps small: one of few, and behind it in KEYS one of many. The few take what
-- comes while the ledger is young, the many what comes later: so an entry takes little in either, and no hash gets long.
-- Replies what the name leads to, or false, and the place in KEYS of the hash where that stands or is to be written; nothing
-- where a key is of another type.
local YOUNG = 60000 -- events: of some 20,000 transfers

local function find(first, name, events)
  for at = first, first + 1 do
    local found = typed(redis.pcall('HGET', KEYS[at], name))
    if found == nil then return nil end
    if found then return found, at end
  end
  return false, tonumber(events or '0') <= YOUNG and first or first + 1
end

local NONE = {}

-- What was given as a duration becomes a time here, by the ledger's own clock.
local function begin(m)
  local now = now_ms(m.now)
  local function at(ms) return number(m.no_later and math.min(now + ms, m.no_later) or now + ms) end
  m.now, m.add, m.event = number(now), m.add or NONE, m.event or {}
  if m.due_in then m.due = at(m.due_in) end
  for name, ms in pairs(m.set_in or NONE) do m.set[name] = at(ms) end
  for _, name in ipairs(m.told or NONE) do m.event[name] = m.set[name] end
end

-- A record has some sixty fields. One that a thief made is not read to its end, while all others wait.
local MOST_FIELDS = 200

-- The record, and the names of its fields that go with the move. Nothing where it is of another type, or no record.
local function read(m)
  local count = typed(redis.pcall('HLEN', KEYS[1]))
  if not count or count > MOST_FIELDS then return nil end
  local all = redis.call('HGETALL', KEYS[1])
  local r, leaves = {}, {}
  for at = 1, #all, 2 do r[all[at]] = all[at + 1] end
  for at = 1, m.clears or 0 do
    local name = CLEARED[at]
    if r[name] then leaves[#leaves + 1] = name end
  end
  for _, name in ipairs(m.unset or NONE) do
    if r[name] then leaves[#leaves + 1] = name end
  end
  return r, leaves
end

local function is_in(names, name)
  for _, each in ipairs(names) do
    if each == name then return true end
  end
end

-- Why the move is not made; or nothing, the record, and what was seen of what the move writes. What keeps it from being
-- written whole is a key of another type, or a number that can't be raised; only what this move would write is looked at.
local function check(m)
  local r, leaves = read(m)
  if not r then return {'BROKEN', 'record'} end
  if not r.state or r.key ~= m.key then return {'UNKNOWN'} end
  if not (is_count(r.epoch or '', EXACT) and is_count(r.version or '', EXACT) and is_count(r.amount or '', EXACT)
      and is_count(r.state_since or '', EXACT)) then
    return {'BROKEN', 'record'}
  end
  if not (r.currency and r.reference and r.terminal) then return {'BROKEN', 'record'} end
  for _, name in ipairs(m.add) do
    if r[name] and not is_count(r[name], EXACT) then return {'BROKEN', 'record'} end
  end
  local to
  for state, from in pairs(m.moves) do
    if string.find(from, ' ' .. r.state .. ' ', 1, true) then to = state end
  end
  if not m.keep_due and is_other(redis.call('TYPE', KEYS[2]), 'zset') then return {'BROKEN', 'due'} end
  if to ~= r.state and is_other(redis.call('TYPE', KEYS[3]), 'zset') then return {'BROKEN', 'by_state'} end
  if m.watched and is_other(redis.call('TYPE', KEYS[m.watched]), 'zset') then return {'BROKEN', 'watched'} end
  if m.contradicted and is_other(redis.call('TYPE', KEYS[m.contradicted]), 'hash') then
    return {'BROKEN', 'contradicted'}
  end
  if m.asker and is_other(redis.call('TYPE', KEYS[m.rates]), 'hash') then return {'BROKEN', 'rates'} end
  local names, by = {}, {}
  if to then
    local function after(name) return m.set[name] or not is_in(leaves, name) and r[name] end
    local number_from, sum_from = counters_of(r.state, r, r.reason, r.code, r.message)
    local number_to, sum_to = counters_of(to, r, after('reason'), after('code'), after('message'))
    if number_from ~= number_to then
      local amount = tonumber(r.amount)
      names = {number_from, sum_from, number_to, sum_to}
      by = {[number_from] = -1, [sum_from] = -amount, [number_to] = 1, [sum_to] = amount}
    end
  end
  if not m.quiet then by.events = 1 end
  local writes = m.vault and 'vault:' .. m.vault[1]
  names[#names + 1] = writes
  local unsound, kept = read_counters(names)
  if unsound then return unsound end
  if writes and kept[writes] and not is_count(kept[writes], EXACT) then return {'BROKEN', 'counters'} end
  local known, place
  if m.references then
    known, place = find(m.references, m.reference, kept.events)
    if known == nil then return {'BROKEN', 'references'} end
  end

  local refused = {'REFUSED', r.state, r.epoch, r.version, m.now}
  if not to then return refused end
  if m.epoch then
    local given, stands = tonumber(m.epoch), tonumber(r.epoch)
    if m.late then
      if given < stands then return refused end
    elseif given ~= stands then
      return refused
    end
  end
  if m.phase and m.phase ~= r.phase then return refused end
  if m.version and m.version ~= r.version then return refused end
  if m.claim and m.claim ~= r.claim_nonce then return refused end
  if m.wakeups and m.wakeups ~= (r.wakeups or '0') then return refused end
  if m.after and tonumber(m.now) < m.after then return refused end
  if m.before and tonumber(m.now) >= m.before then return refused end
  if m.unless_paid and string.match(r.notification or '', ':0$') then return {'NOTED', r.state, r.epoch, r.version} end
  local place_of_id
  if m.ids then
    local owner, free = redis.call('GET', KEYS[8]), nil
    if not owner then owner, free = find(m.ids, m.id, kept.events) end
    if owner == nil then return {'BROKEN', 'bank_ids'} end
    if owner and owner ~= m.key then return {'FOREIGN', r.state, r.epoch, owner} end
    place_of_id = not owner and free
  end
  return nil, r, {to = to, leaves = leaves, kept = kept, by = by, writes = writes, known = known, place = place,
    place_of_id = place_of_id}
end

-- The bank's reference leads to the transfer, or to the few that it gave the same.
local MOST_OF_A_REFERENCE = 200

local function write(m, r, seen)
  local from, to, kept = r.state, seen.to, seen.kept
  local epoch, version = m.set.epoch or r.epoch, r.version
  local fields, counters = {}, {}
  if not m.quiet then
    local last = tonumber(kept.events or '0')
    version = number(tonumber(version) + 1)
    local unsound, id = tell(m, r, from, to, version, epoch, last + 1)
    if unsound then return unsound end
    fields = {'version', version, 'history', history_with(r.history, id, 'm')}
    if last == 0 then counters = {'format', FORMAT} end
  end
  for name, value in pairs(m.set) do
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  for _, name in ipairs(m.add) do
    m.set[name] = number(tonumber(m.set[name] or not is_in(seen.leaves, name) and r[name] or '0') + 1)
    fields[#fields + 1] = name
    fields[#fields + 1] = m.set[name]
  end
  if to ~= from then
    local changed = #fields
    fields[changed + 1], fields[changed + 2], fields[changed + 3], fields[changed + 4] = 'state', to, 'state_since', m.now
  end
  if #seen.leaves > 0 then redis.call('HDEL', KEYS[1], unpack(seen.leaves)) end
  if #fields > 0 then redis.call('HSET', KEYS[1], unpack(fields)) end
  if m.due then
    redis.call('ZADD', KEYS[2], m.due, m.key)
  elseif not m.keep_due then
    redis.call('ZREM', KEYS[2], m.key)
    if m.home then
      redis.call('SET', KEYS[6], m.key .. ' ' .. m.home, 'PX', SETTLED_DAY_MS, 'XX')
    else
      redis.call('PEXPIRE', KEYS[6], SETTLED_DAY_MS)
    end
    redis.call('DEL', KEYS[7], m.prints or KEYS[7])
  end
  if to ~= from then
    redis.call('ZREM', KEYS[3], place_in_lists(from, r.terminal, r.state_since, m.key))
    redis.call('ZADD', KEYS[3], 0, place_in_lists(to, r.terminal, m.now, m.key))
  end
  -- Where an operator's question is open, its time stays.
  local question = m.set.question_id or not is_in(seen.leaves, 'question_id') and r.question_id
  if m.watched and not (r.question_id and question == r.question_id) then
    if m.set.watch_at and m.asker then
      local at = in_turn(KEYS[m.rates], ':asked:' .. m.asker, tonumber(m.set.watch_at), ASKED_EACH_MS, ASKED_AT_ONCE_MS)
      redis.call('ZADD', KEYS[m.watched], 'LT', at, m.key)
    elseif m.set.watch_at then
      redis.call('ZADD', KEYS[m.watched], m.set.watch_at, m.key)
    else
      redis.call('ZREM', KEYS[m.watched], m.key)
    end
  end
  if m.contradicted then redis.call('HDEL', KEYS[m.contradicted], m.key) end
  local at = seen.place_of_id
  if at then redis.call('HSET', KEYS[at], m.id, m.key) end
  local known = seen.known or ''
  local is_kept = #known > MOST_OF_A_REFERENCE or string.find(' ' .. known .. ' ', ' ' .. m.key .. ' ', 1, true)
  if m.references and not is_kept then
    at = seen.place
    redis.call('HSET', KEYS[at], m.reference, known == '' and m.key or known .. ' ' .. m.key)
  end
  if m.challenge then
    redis.call('SET', KEYS[7], m.challenge)
    redis.call('SET', KEYS[9], m.key, 'PX', m.challenge_ms)
  end
  if seen.writes and tonumber(m.vault[2]) > tonumber(kept[seen.writes] or '0') then
    counters[#counters + 1] = seen.writes
    counters[#counters + 1] = m.vault[2]
  end
  return {'OK', table.concat({to, epoch, version, raise_counters(kept, seen.by, counters), m.now}, ' ')}
end
