-- Which server answers as the ledger; it is put before each script that asks when they are loaded. Each start of a server
-- is another run. A server that becomes a replica, or that is promoted, has another id of its replication from then on.

local function server()
  local info = redis.call('INFO', 'server', 'replication')
  local function of(name) return string.match(info, name .. ':(%w+)') or '' end
  return string.sub(of('run_id'), 1, 16) .. ':' .. string.sub(of('master_replid'), 1, 16), of
end
