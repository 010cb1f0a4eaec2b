-- Until when a lane is paused for a terminal: one number (ms) for each pause that stands there, 0 for one without an end.
-- Given are the values of the lane's two fields, for all terminals and for this one. Whether such a pause is over is its
-- caller's to say: `claim` asks about now, `create` about the deadline.

local function pauses(values)
  local found = {}
  for _, pause in ipairs(values) do
    found[#found + 1] = pause and tonumber(string.match(pause, '^%d+')) or nil
  end
  return found
end

