-- Gives an entry up: ends it, replies, and keeps what is known of it, without the sequence.
--
-- KEYS  the entry's stream, the dead stream, then the inbox if there is somebody to tell
-- ARGV  entry id, reply, most records, how long they are kept (ms), then the fields of the record
-- Returns 1 if this call ended it.

if redis.call('XACK', KEYS[1], 'w', ARGV[1]) == 0 then
  return 0
end
redis.call('XDEL', KEYS[1], ARGV[1])
if KEYS[3] then
  redis.call('XADD', KEYS[3], 'NOMKSTREAM', '*', 'r', ARGV[2])
end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', unpack(ARGV, 5))
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return 1
