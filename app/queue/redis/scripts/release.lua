-- Gives entries back as if they had not been delivered: at once free to be taken over, and not counted.
--
-- KEYS  streams
-- ARGV  the worker, for how long they shall seem to have been silent (ms), then for each entry: which stream, entry id;
--       without entries, all that the worker has, and it leaves the group where it has nothing
-- Returns how many were given back.

local released = 0

local function release(stream, id, deliveries)
  local count = math.max(0, deliveries - 1)
  redis.call('XCLAIM', stream, 'w', ARGV[1], 0, id, 'IDLE', ARGV[2], 'RETRYCOUNT', count, 'JUSTID')
  released = released + 1
end

local function each(stream, from, to, count)
  local pending = redis.pcall('XPENDING', stream, 'w', from, to, count, ARGV[1])
  if not pending.err then
    for _, entry in ipairs(pending) do
      release(stream, entry[1], entry[4])
    end
  end
end

if #ARGV == 2 then
  for _, stream in ipairs(KEYS) do
    local before = released
    each(stream, '-', '+', 100000)
    if released == before then
      redis.pcall('XGROUP', 'DELCONSUMER', stream, 'w', ARGV[1])
    end
  end
end
for i = 3, #ARGV, 2 do
  each(KEYS[tonumber(ARGV[i])], ARGV[i + 1], ARGV[i + 1], 1)
end
return released
