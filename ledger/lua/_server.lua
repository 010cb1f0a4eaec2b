-- Which server answers as the ledger; it is put before each script that asks when they are loaded. Each start of a server
-- is another run. A server that becomes a replica, or that is promoted, has another id of its replication from then on.

-- A name is looked for as it is: a pattern would be tried at each of some 2,000 characters, which costs as much as INFO.
local function server()
  local info = redis.call('INFO', 'server', 'replication')
  local function of(name)
    local _, before = string.find(info, name .. ':', 1, true)
    return before and string.match(info, '^%w+', before + 1) or ''
  end
  return string.sub(of('run_id'), 1, 16) .. ':' .. string.sub(of('master_replid'), 1, 16), of
end
