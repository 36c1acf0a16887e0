-- Makes sure that a worker is in the group of each stream; the group reads from the first entry on.
--
-- KEYS  streams
-- ARGV  the worker

for _, stream in ipairs(KEYS) do
  redis.pcall('XGROUP', 'CREATE', stream, 'w', 0, 'MKSTREAM')
  redis.call('XGROUP', 'CREATECONSUMER', stream, 'w', ARGV[1])
end
