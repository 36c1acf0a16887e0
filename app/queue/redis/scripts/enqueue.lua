-- Adds jobs to a model's streams, all of them or none; without jobs, only measures what is there.
--
-- KEYS  the interactive and the bulk stream
-- ARGV  most tokens, most jobs, most tokens that may go before these jobs for them to be in time, then for each job:
--       which stream (1, 2), its tokens, its bytes
-- Returns whether the jobs were added (1, 0), and then jobs, tokens, the age of the oldest in ms, interactive tokens.
--
-- Before an interactive job goes what is interactive, and of the bulk a quarter of all; before a bulk job, everything.
--
-- Each entry says how many jobs (n) and tokens (t) its stream has ever been given. So the tokens that are still there
-- are those between the first entry and the last, times the share of entries that are still there: exact while jobs leave
-- in the order they came in, and near it otherwise. There is no counter that a lost worker could leave wrong.

local function numbers(entry)
  local fields, found = entry[2], {}
  for i = 1, #fields, 2 do
    found[fields[i]] = tonumber(fields[i + 1])
  end
  return found.n or 0, found.t or 0, found.k or 0
end

local FIRST = 4 -- of the jobs' arguments

local jobs, waiting, oldest, given = 0, {0, 0}, nil, {}
for index, stream in ipairs(KEYS) do
  local length = redis.call('XLEN', stream)
  given[index] = {0, 0}
  if length > 0 then
    local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
    local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
    local first_n, first_t, first_k = numbers(first)
    local last_n, last_t = numbers(last)
    given[index] = {last_n, last_t}
    jobs = jobs + length
    local tokens = (last_t - first_t + first_k) * length / math.max(1, last_n - first_n + 1)
    waiting[index] = math.floor(tokens + 0.5)
    local added = tonumber(string.match(first[1], '^%d+'))
    oldest = math.min(oldest or added, added)
  end
end
local interactive, bulk = waiting[1], waiting[2]
local tokens = interactive + bulk

local new_jobs, new_tokens = (#ARGV - FIRST + 1) / 3, {0, 0}
for i = FIRST, #ARGV, 3 do
  local index = tonumber(ARGV[i])
  new_tokens[index] = new_tokens[index] + tonumber(ARGV[i + 1])
end
local all_tokens = tokens + new_tokens[1] + new_tokens[2]
local before = new_tokens[1] > 0 and interactive + math.min(bulk, interactive / 3) or tokens

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local age = oldest and math.max(0, now - oldest) or 0

local full = all_tokens > tonumber(ARGV[1]) or jobs + new_jobs > tonumber(ARGV[2])
if jobs > 0 and (full or before > tonumber(ARGV[3])) then
  return {0, jobs, tokens, age, interactive}
end
for i = FIRST, #ARGV, 3 do
  local index = tonumber(ARGV[i])
  local n, t = given[index][1] + 1, given[index][2] + tonumber(ARGV[i + 1])
  given[index] = {n, t}
  redis.call('XADD', KEYS[index], '*', 'j', ARGV[i + 2], 'n', n, 't', t, 'k', ARGV[i + 1])
end
return {1, jobs + new_jobs, all_tokens, age, interactive + new_tokens[1]}
