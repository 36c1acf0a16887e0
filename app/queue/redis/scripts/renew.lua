-- Renews the lease on entries that still wait inside a worker, unless somebody else has taken them over.
--
-- KEYS  streams
-- ARGV  the worker, then for each entry: which stream, entry id

for i = 2, #ARGV, 2 do
  local stream, id = KEYS[tonumber(ARGV[i])], ARGV[i + 1]
  local pending = redis.pcall('XPENDING', stream, 'w', id, id, 1, ARGV[1])
  if not pending.err and #pending > 0 then
    redis.call('XCLAIM', stream, 'w', ARGV[1], 0, id, 'JUSTID')
  end
end
