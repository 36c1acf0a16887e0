-- Adds the jobs of several requests to a model's streams, each request's all or none; without any, only measures.
--
-- KEYS  the interactive and the bulk stream
-- ARGV  most tokens, most jobs, then for each request: how many jobs are added, how many tokens may go before them for
--       them to be in time, how many tokens of it are held back (-1: it was let in before, and there is room for these),
--       and for each job: which stream (1, 2), its tokens, its bytes
-- Returns jobs, tokens, the age of the oldest in ms and interactive tokens, and for each request whether its jobs were
-- added (1, 0).
--
-- Before an interactive job goes what is interactive, and of the bulk a quarter of all; before a bulk job, everything.
--
-- Each entry says how many jobs (n) and tokens (t) its stream has ever been given. So the tokens that are still there
-- are those between the first entry and the last, times the share of entries that are still there: exact while jobs leave
-- in the order they came in, and near it otherwise. There is no counter that a lost worker could leave wrong.

local most_tokens, most_jobs = tonumber(ARGV[1]), tonumber(ARGV[2])

local function numbers(entry)
  local fields, found = entry[2], {}
  for i = 1, #fields, 2 do
    found[fields[i]] = tonumber(fields[i + 1])
  end
  return found.n or 0, found.t or 0, found.k or 0
end

local jobs, waiting, oldest, given = 0, {0, 0}, nil, {{0, 0}, {0, 0}}

local function measure(index, stream)
  local length = redis.call('XLEN', stream)
  if length == 0 then
    return
  end
  local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
  local last = length == 1 and first or redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  local first_n, first_t, first_k = numbers(first)
  local last_n, last_t = numbers(last)
  given[index] = {last_n, last_t}
  jobs = jobs + length
  waiting[index] = math.floor((last_t - first_t + first_k) * length / math.max(1, last_n - first_n + 1) + 0.5)
  local added = tonumber(string.match(first[1], '^%d+'))
  oldest = math.min(oldest or added, added)
end

-- How many tokens jobs have of either kind; they stand in ARGV from `from` on.
local function tokens_of(from, count)
  local tokens = {0, 0}
  for i = from, from + 3 * count - 1, 3 do
    local index = tonumber(ARGV[i])
    tokens[index] = tokens[index] + tonumber(ARGV[i + 1])
  end
  return tokens
end

local function has_room(count, tokens, most_before, held)
  local interactive, bulk = waiting[1], waiting[2]
  local before = tokens[1] > 0 and interactive + math.min(bulk, interactive / 3) or interactive + bulk
  local full = interactive + bulk + tokens[1] + tokens[2] + held > most_tokens or jobs + count > most_jobs
  return held < 0 or jobs == 0 or not full and before <= most_before
end

local function add(from, count, tokens)
  for i = from, from + 3 * count - 1, 3 do
    local index = tonumber(ARGV[i])
    local n, t = given[index][1] + 1, given[index][2] + tonumber(ARGV[i + 1])
    given[index] = {n, t}
    redis.call('XADD', KEYS[index], '*', 'j', ARGV[i + 2], 'n', n, 't', t, 'k', ARGV[i + 1])
  end
  jobs = jobs + count
  waiting = {waiting[1] + tokens[1], waiting[2] + tokens[2]}
end

measure(1, KEYS[1])
measure(2, KEYS[2])
local age = 0
if oldest then
  local time = redis.call('TIME')
  age = math.max(0, time[1] * 1000 + math.floor(time[2] / 1000) - oldest)
end

local each_added, at = {}, 3
while at < #ARGV do
  local count, most_before, held = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local tokens = tokens_of(at + 3, count)
  local room = has_room(count, tokens, most_before, held)
  if room then
    add(at + 3, count, tokens)
  end
  table.insert(each_added, room and 1 or 0)
  at = at + 3 + 3 * count
end
return {jobs, waiting[1] + waiting[2], age, waiting[1], each_added}
