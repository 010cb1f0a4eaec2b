-- Which server answers as the ledger; it is put before each script that asks when they are loaded. Each start of a server
-- is another run. A server that becomes a replica, or that is promoted, has another id of its replication from then on; and
-- so has each start of one that is no replica.

-- A name is looked for as it is: a pattern would be tried at each of some 2,000 characters, which costs as much as INFO.
local function told(info, name)
  local _, before = string.find(info, name .. ':', 1, true)
  return before and string.match(info, '^%w+', before + 1) or ''
end

local function id_of_replication(info) return string.sub(told(info, 'master_replid'), 1, 16) end

-- Of a server that is no replica, for a replica has its master's id; of a replica nothing. To ask for the run as well would
-- cost three times as much, and tell nothing more.
local function id_of_own_replication()
  local info = redis.call('INFO', 'replication')
  return told(info, 'role') == 'master' and id_of_replication(info) or nil
end
