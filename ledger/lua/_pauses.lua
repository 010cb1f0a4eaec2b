-- Until when a lane is paused for a terminal: one number (ms) for each pause that stands there, 0 for one without an end.
-- Whether such a pause is over is its caller's to say: `claim` asks about now, `create` about the deadline.

local function pauses(lanes, lane, terminal)
  local found = {}
  for _, field in ipairs({lane .. ':*', lane .. ':' .. terminal}) do
    local pause = redis.call('HGET', lanes, field)
    found[#found + 1] = pause and tonumber(string.match(pause, '^%d+')) or nil
  end
  return found
end

