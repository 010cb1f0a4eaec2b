-- Until when a lane is paused for a terminal: one number (ms) for each pause that stands there, 0 for one without an end.
-- A worker's pauses, and those that it wrote down for an operator, are fields of the lanes: for all terminals, and for this
-- one. An operator adds to the set of pauses, which holds at once. Whether a pause is over is its caller's to say: `claim`
-- asks about now, `create` about the deadline.

local function pauses(lanes, set, lane, terminal)
  local found, all, own = {}, lane .. ':*', lane .. ':' .. terminal
  for _, pause in ipairs(redis.call('HMGET', lanes, all, own)) do
    found[#found + 1] = pause and tonumber(string.match(pause, '^%d+')) or nil
  end
  for _, is_there in ipairs(redis.call('SMISMEMBER', set, all, own)) do
    if is_there == 1 then found[#found + 1] = 0 end
  end
  return found
end

