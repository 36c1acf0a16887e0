-- Take from a caller's bucket, or say how many microseconds it takes until that can be.
-- KEYS[1]: the caller's buckets, a hash of unit to the time when that bucket will be full again.
-- ARGV: unit, cost, what the bucket gains in a minute.
local cost, per_minute = tonumber(ARGV[2]), tonumber(ARGV[3])
local minute = 60000000
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local full_at = math.max(now, tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or now))
local missing_allowed = minute * (1 - math.min(cost, per_minute) / per_minute)
local wait = full_at - now - missing_allowed
if wait > 0 then
  return math.ceil(wait)
end
full_at = full_at + minute * cost / per_minute
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', full_at))
-- A full bucket need not be kept; the one that fills last decides.
local lives = math.ceil((full_at - now) / 1000)
if redis.call('PTTL', KEYS[1]) < lives then
  redis.call('PEXPIRE', KEYS[1], lives)
end
return 0
