-- Marks requests as wanted no more.
--
-- KEYS  the set of cancelled ids of one API process
-- ARGV  how long the set may live (ms), then ids
--
-- A life from the first mark on: settling takes marks out again, and what is lost with the set costs a computation only.

for i = 2, #ARGV do
  redis.call('SADD', KEYS[1], ARGV[i])
end
if redis.call('PTTL', KEYS[1]) < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
