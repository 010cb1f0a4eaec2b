-- What pauses a lane for a terminal: {till, tries, id, rest} for each pause that stands there; till is 0 for one without an
-- end. Two hashes are read: those that workers wrote, and those that operators added, which hold at once. Whether a pause
-- is over is its caller's to say: `claim` asks about now, `create` about the deadline.
-- A pause is `till lane terminal tries trial`, and more that is for people. What can't be read holds every lane, and so
-- does a hash of more pauses than MOST_PAUSES: an operator's server user may add any number, and may stop the sending
-- anyway.

local MOST_PAUSES = 200

local function pauses(written, added, lane, terminal)
  local found = {}
  if redis.call('EXISTS', written, added) == 0 then return found end
  for _, hash in ipairs({written, added}) do
    local count = redis.call('HLEN', hash)
    if count > MOST_PAUSES then return {{till = 0}} end
    local all = count > 0 and redis.call('HGETALL', hash) or {}
    for at = 1, #all, 2 do
      local till, l, t, tries, _, rest = string.match(all[at + 1], '^(%d+) (%l+) (%S+) (%S+) (%S+) (.*)$')
      if not till then
        found[#found + 1] = {till = 0}
      elseif l == lane and (t == '*' or t == terminal) then
        found[#found + 1] = {till = tonumber(till), tries = hash == written and tonumber(tries) or 0, id = all[at],
          start = table.concat({till, l, t}, ' '), rest = rest}
      end
    end
  end
  return found
end
