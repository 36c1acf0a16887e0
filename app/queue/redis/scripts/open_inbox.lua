-- Makes sure that an API process has a stream for its replies.
--
-- KEYS  the inbox
-- ARGV  how long it lives without its process (ms)
-- Returns 1 if it had to be made, which means that what was there before is lost.

local made = 1 - redis.call('EXISTS', KEYS[1])
if made == 1 then
  redis.call('XADD', KEYS[1], '*', 'opened', 1)
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return made
