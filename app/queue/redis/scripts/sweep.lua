-- Removes what is left behind: entries long past any deadline, and workers that are gone.
--
-- KEYS  streams
-- ARGV  age of the entries (ms), idle time of the workers (ms), what precedes a worker's name in its heartbeat's key
-- Returns how many entries and how many workers were removed.
--
-- A worker with pending entries stays, since they would be lost with it; they are taken over first.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local entries, workers = 0, 0
for _, stream in ipairs(KEYS) do
  entries = entries + redis.call('XTRIM', stream, 'MINID', math.max(0, now - ARGV[1]))
  local consumers = redis.pcall('XINFO', 'CONSUMERS', stream, 'w')
  if not consumers.err then
    for _, consumer in ipairs(consumers) do
      local found = {}
      for i = 1, #consumer, 2 do
        found[consumer[i]] = consumer[i + 1]
      end
      local gone = found.idle > tonumber(ARGV[2]) and redis.call('EXISTS', ARGV[3] .. found.name) == 0
      if gone and found.pending == 0 then
        redis.call('XGROUP', 'DELCONSUMER', stream, 'w', found.name)
        workers = workers + 1
      end
    end
  end
end
return {entries, workers}
