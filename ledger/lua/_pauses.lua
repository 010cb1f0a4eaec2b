-- Until when a lane is paused for a terminal: one number (ms) for each pause that stands there, 0 for one without an end.
-- Given are the values of the lane's two fields, for all terminals and for this one: a worker's pauses, and those that it
-- wrote down for an operator; and whether those two are in the set that operators add to, which holds at once. Whether a
-- pause is over is its caller's to say: `claim` asks about now, `create` about the deadline.

local function pauses(values, added)
  local found = {}
  for _, pause in ipairs(values) do
    found[#found + 1] = pause and tonumber(string.match(pause, '^%d+')) or nil
  end
  for _, is_there in ipairs(added) do
    if is_there == 1 then found[#found + 1] = 0 end
  end
  return found
end

