-- Takes over one entry whose worker has been silent for a lease.
--
-- KEYS  streams
-- ARGV  the worker that takes over, the lease (ms), how many deliveries are too many
-- Returns nothing, or which stream, entry id, its fields, how often it was delivered before, by whom last, and the time
-- in ms. One that was delivered too often is not counted again: it is handed over to be buried. Neither is one that this
-- very worker has had for so long.
--
-- One at a time: who takes over many at once, and dies of one of them, would make all of them look guilty.

for index, stream in ipairs(KEYS) do
  local pending = redis.pcall('XPENDING', stream, 'w', 'IDLE', ARGV[2], '-', '+', 1)
  while not pending.err and #pending > 0 do
    local id, owner, deliveries = pending[1][1], pending[1][2], pending[1][4]
    local entry = redis.call('XRANGE', stream, id, id)[1]
    if entry then
      local claim = {'XCLAIM', stream, 'w', ARGV[1], ARGV[2], id}
      if deliveries >= tonumber(ARGV[3]) or owner == ARGV[1] then
        table.insert(claim, 'JUSTID')
      end
      redis.call(unpack(claim))
      local time = redis.call('TIME')
      return {index, id, entry[2], deliveries, owner, time[1] * 1000 + math.floor(time[2] / 1000)}
    end
    redis.call('XACK', stream, 'w', id) -- trimmed while it was pending: nothing is left to take over
    pending = redis.pcall('XPENDING', stream, 'w', 'IDLE', ARGV[2], '-', '+', 1)
  end
end
return false
