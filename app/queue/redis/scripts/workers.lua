-- Who is there to work on some streams.
--
-- KEYS  streams
-- ARGV  what precedes a worker's name in its heartbeat's key
-- Returns name and heartbeat of each live worker, in turn.

local seen, found = {}, {}
for _, stream in ipairs(KEYS) do
  local consumers = redis.pcall('XINFO', 'CONSUMERS', stream, 'w')
  if not consumers.err then
    for _, consumer in ipairs(consumers) do
      local name = consumer[2]
      local heartbeat = not seen[name] and redis.call('GET', ARGV[1] .. name)
      if heartbeat then
        table.insert(found, name)
        table.insert(found, heartbeat)
      end
      seen[name] = true
    end
  end
end
return found
