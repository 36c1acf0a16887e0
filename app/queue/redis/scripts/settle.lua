-- Ends entries and replies for those that this call ended: the first acknowledgement wins.
--
-- KEYS  the interactive and the bulk stream, then for each API process its inbox and its set of cancelled ids
-- ARGV  most entries of an inbox, the worker's pace (empty for none), then for each entry: which stream (1, 2), entry id,
--       which API process (1, 2 and on), request id, reply (empty for none)
-- Returns how many entries this call ended.
--
-- An inbox that is gone is not made again, so a process that died leaves nothing behind.

local CHUNK = 1000 -- what Lua can unpack is bounded

local ended, replies, ids = 0, {}, {}
for i = 3, #ARGV, 5 do
  local stream, entry, process = KEYS[tonumber(ARGV[i])], ARGV[i + 1], tonumber(ARGV[i + 2])
  if redis.call('XACK', stream, 'w', entry) == 1 then
    redis.call('XDEL', stream, entry)
    ended = ended + 1
    replies[process], ids[process] = replies[process] or {}, ids[process] or {}
    table.insert(ids[process], ARGV[i + 3])
    if ARGV[i + 4] ~= '' then
      table.insert(replies[process], ARGV[i + 4])
    end
  end
end

for process, settled in pairs(ids) do
  for from = 1, #settled, CHUNK do
    redis.call('SREM', KEYS[2 + 2 * process], unpack(settled, from, math.min(from + CHUNK - 1, #settled)))
  end
end
for process, written in pairs(replies) do
  for from = 1, #written, CHUNK do
    local fields = {}
    if ARGV[2] ~= '' then
      fields = {'p', ARGV[2]}
    end
    for i = from, math.min(from + CHUNK - 1, #written) do
      table.insert(fields, 'r')
      table.insert(fields, written[i])
    end
    redis.call('XADD', KEYS[1 + 2 * process], 'NOMKSTREAM', 'MAXLEN', '~', ARGV[1], '*', unpack(fields))
  end
end
return ended
