-- What every script that writes an event shares; it is put before each of them when they are loaded. A script makes its
-- functions anew each time that it runs: so what only some need stands in a file of its own.
-- The law: an event has a number, one more than the event before it, and the counter `events` is the number of the last.
-- So a number that is missing, that comes twice or that is lower than the one before it shows that the log was changed.

-- A sum of two such numbers is one that HINCRBY takes; what is replied has to be exact in Lua's numbers, too.
local EXACT, SUM = 15, 18

local function is_count(value, digits)
  return value == '0' or (#value <= digits and string.find(value, '^%-?[1-9]%d*$') ~= nil)
end

-- What a read replied, or nothing where its key is of another type: so a key that is read needs no look at its type. Any
-- other error ends the script.
local function typed(reply)
  if type(reply) ~= 'table' or not reply.err then return reply end
  if not string.find(reply.err, 'WRONGTYPE', 1, true) then error(reply) end
  return nil
end

local function is_other(there, kind) return there.ok ~= 'none' and there.ok ~= kind end

-- How what stands beside the records is kept: pauses, lists, counters. The first event writes it down, and a ledger of
-- another format is not changed: its pauses would not be seen. With the first archived transfer the other number stands
-- there, for versions that do not know archived references.
local FORMAT, WITH_ARCHIVED = '2', '3'

-- What the counters `format`, `events` and `trimmed` say against an event: another format, or a number that can't be raised.
local function unsound_counts(format, events, trimmed)
  local found = format or events and '1' or FORMAT
  if found ~= FORMAT and found ~= WITH_ARCHIVED then return {'BROKEN', 'format ' .. found} end
  if events and not is_count(events, EXACT) or trimmed and not is_count(trimmed, EXACT) then return {'BROKEN', 'counters'} end
end

-- The first write of its script: a key of another type, and a stream whose last id is the highest of all, take no event,
-- and that shows here only. Replies what keeps the event from being written, or nothing, and the event's id.
local function append_event(events, number, fields)
  local added = redis.pcall('XADD', events, '*', 'number', string.format('%d', number), unpack(fields))
  if type(added) ~= 'table' or not added.err then return nil, added end
  if string.find(added.err, 'last possible ID', 1, true) or not typed(added) then return {'BROKEN', 'events'} end
end

-- A record's history is the ids of its events: the first whole, each other as how much later it came (ms), with `-n` for
-- another than the first of its ms. Each has a letter before it, `m` for a move of the transfer and `a` for another event:
-- numbers that only a space parts can be read as a card number. So the events of a transfer are found without a search,
-- and how many moves are named here tells whether all are.
-- A text that is no history begins anew, for this is called after the event was written: no text may stop it.
local LONGEST_HISTORY = 4000

local function history_with(history, id, mark)
  local first = string.match(string.sub(history or '', 1, 40) .. 'm', '^[am](%d+)%-%d+[am]')
  if not first or #first > EXACT or #history > LONGEST_HISTORY then return mark .. id end
  local ms, place = string.match(id, '^(%d+)%-(%d+)$')
  local later = tonumber(ms) - tonumber(first)
  later = string.format(later < 1e15 and '%d' or '%.0f', later) -- an id that another program gave may be any
  history = history .. mark .. later .. (place == '0' and '' or '-' .. place)
  while #history > LONGEST_HISTORY do history = string.gsub(history, '^(%a[%d-]+)%a[%d-]+', '%1', 1) end
  return history
end
