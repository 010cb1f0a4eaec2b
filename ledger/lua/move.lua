-- move: one transfer from the state that it is in to the one that the table of states names for it.
--
-- KEYS     as in _move.lua
-- ARGV     as in _move.lua
-- Replies  OK 'state epoch version sequence now' | REFUSED state epoch version now | UNKNOWN
--          | NOTED state epoch version | FOREIGN state epoch key | BROKEN part

local m = cjson.decode(ARGV[1])
begin(m)
local refused, r, seen = check(m)
return refused or write(m, r, seen)
