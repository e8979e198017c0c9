#!lua
-- flush.lua: apply one batch of a writer, whole and at most once.
--
-- KEYS  1  <prefix>.state        hash: epoch, version; swept, goal: how far dead series were looked for in the index
--       2  <prefix>.index        zset: series key -> version of its last change
--       3  <prefix>.meta         hash: metric name -> {"type","help","unit"}
--       4  <prefix>.removed      zset: series key -> when it was removed, s
--       5  <prefix>.fences       hash: writer -> number of the last batch applied for it (the fence)
--       6  <prefix>.writers      zset: writer -> when its fence may be forgotten, s
--       7… one key per series, each once; then, for each operation on a shared gauge in turn, the two keys of its writers:
--          <prefix>.entries:…    zset: writer -> what it holds
--          <prefix>.leases:…     zset: writer -> when its lease ends, s
-- ARGV  1  number of the batch: 1, 2, 3…
--       2  number of the oldest batch that the writer has no answer for
--       3  id of the writer, under which its batches are numbered
--       4  ttl of the series, ms
--       5  ttl of the fence, ms
--       6  lease of the writer's entries in shared gauges, ms
--       7  epoch to use if the server has none: random text
--       8  name of the writer's entries in shared gauges
--       9  JSON object: metric name -> its entry in <prefix>.meta
--      10  JSON array: one operation per series, in the order of KEYS; numbers are finite:
--            ["counter", mode, add]
--            ["gauge", mode, add, own]               the writer's own value is used where Redis holds none
--            ["gauge", mode, add, own, set]          add to <set> instead of what Redis holds
--            ["shared", mode, how, own]              one entry per writer; how is sum, min or max; no own: no entry
--            ["histogram", mode, bounds, adds, sum]  bounds as text, 5,10,25; adds as bucket, n, bucket, n…:
--                                                    buckets from 1, one more than bounds; ascending
--            ["remove"], ["remove", "shared"]
--          mode  record   something was recorded: brings a removed series back
--                new      the same, and Redis need not hold it: the series is new to this writer, or all is written again
--                refresh  nothing was recorded: leaves a series alone that was removed within the last ttl
--                again    the same, and Redis need not hold it: the writer writes all its series again
-- Returns  {status, epoch, fence, known, {key, reason, …}, {key, …}, {key, …}, {key, …}}
--          status  applied    the batch is in Redis now, all but the series skipped
--                  duplicate  it was there already; nothing was done
--                  gap        a batch before this one is missing; nothing was done
--                  rejected   ARGV 10 is no list of one operation per series; nothing was done, and never will be
--          fence   number of the last batch applied, or "" if the server knows none of this writer
--          known   "1" if there was a fence of this writer, else ""
--          5th     series that were skipped, and why: wrongtype, length, json, value, bounds, operation; shared: Redis
--                  holds a gauge that living writers share in another way
--          6th     histograms whose counts were folded into the other bounds that Redis holds
--          7th     series that were to be refreshed but have been removed
--          8th     series that Redis should have held, and did not
-- Errors   nothing was written. `#!lua` lets a read-only replica, a full server and one that cannot save refuse the script
--          before it starts; everything else that a write needs is checked before the first one.
--
-- Everything is read before the first write, and the fence is the first write. Patterns are linear, and texts bounded:
-- whatever a key holds, it cannot hold up the server. Series that labkit wrote are taken apart by patterns, several
-- times as fast as cjson; all others are decoded.

-- Made by `make lua` from lua/commands/ and lua/includes/: change it there.

local call, try_call, format = redis.call, redis.pcall, string.format
local match, find, sub, concat = string.match, string.find, string.sub, table.concat
local STATE, INDEX, META, REMOVED, FENCES, WRITERS, FIRST_SERIES = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], 7
local NUMBER, OLDEST, WRITER = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local TTL, FENCE_TTL, LEASE = tonumber(ARGV[4]), tonumber(ARGV[5]) / 1000, ARGV[6] / 1000
local NEW_EPOCH, ENTRY, METADATA, OPERATIONS = ARGV[7], ARGV[8], ARGV[9], ARGV[10]
-- What one call decodes of a key that labkit did not write, in bytes.
local LONGEST_FOREIGN = 1024
-- What one call decodes of such keys together, and of bounds that are not the operation's.
local LONGEST_BOUNDS = 16 * 1024
local unusual_left = LONGEST_BOUNDS
-- What one call cleans up.
local SWEPT_PER_STEP, STEPS_PER_CALL, FENCES_PER_CALL, REMOVALS_PER_CALL, LEASES_PER_CALL = 8, 8, 8, 256, 1024

-- Guard clauses

local function is_version(n)
  return n and n % 1 == 0 and n >= 0 and n < 2 ^ 53
end

local state = call("HMGET", STATE, "epoch", "version", "swept", "goal")
local epoch, version = state[1], tonumber(state[2])
if not (epoch and is_version(version)) then
  -- The state was lost or damaged: readers start over when they see another epoch.
  epoch, version = NEW_EPOCH, 0
end
local fence = call("HGET", FENCES, WRITER)
local known = fence and "1" or ""

local function answer(status, number)
  return {status, epoch, number or fence or "", known, {}, {}, {}, {}}
end

if fence then
  fence = tonumber(fence)
  if not is_version(fence) then
    return redis.error_reply("ERR " .. FENCES .. " holds no batch number for " .. WRITER .. ": HDEL it")
  end
  fence = format("%.0f", fence)
  if NUMBER <= tonumber(fence) then return answer("duplicate") end
  if NUMBER > tonumber(fence) + 1 then return answer("gap") end
elseif NUMBER ~= OLDEST then
  -- The batch before this one was sent with it and refused: applying this one would fence that one off.
  return answer("gap")
end

-- A write that is refused after another was made would leave half a batch.
for _, write in ipairs {
  {"HSET", FENCES, "", ""}, {"ZADD", INDEX, 0, ""}, {"SET", INDEX, ""}, {"UNLINK", INDEX}, {"PEXPIREAT", INDEX, 0},
  {"ZREM", INDEX, ""}, {"HDEL", FENCES, ""},
} do
  if not redis.acl_check_cmd(unpack(write)) then
    return redis.error_reply("NOPERM this user may not call " .. write[1] .. ", which flush.lua needs")
  end
end
call("ZCARD", WRITERS)
call("HLEN", META)

local clock = call("TIME")
local now = clock[1] + clock[2] / 1000000
local now_text = format("%.3f", now)
local updated = ',"updated":' .. now_text .. "}"

-- What ends the plan and is about the whole batch. Kept here, because pcall returns no more of an error than its text.
local refusal

local function refuse(reply)
  refusal = reply
  error(reply)
end

local function checked_call(...)
  local reply = try_call(...)
  if type(reply) == "table" and reply.err then refuse(reply) end
  return reply
end

-- The names of keys.

-- "metrics.index" -> "metrics:", with which the key of each of its series begins.
local function prefix_of(index)
  return sub(index, 1, -7) .. ":"
end

local function has_prefix(key, prefix)
  return sub(key, 1, #prefix) == prefix
end

-- Numbers, and how they are written: as labkit/keyspace/numbers.py does.

local function finite(n)
  return type(n) == "number" and n - n == 0
end

-- The text of a number that reads back as the same double: 15 digits if they suffice, else 17.
local function shortest(n)
  if n % 1 == 0 and n < 2 ^ 53 and n > -2 ^ 53 then return format("%.0f", n) end
  local short = format("%.15g", n)
  if tonumber(short) == n then return short end
  return format("%.17g", n)
end

-- How a series is read: no more of it than it may have, and a key of another type is no error. Whoever includes this
-- has refuse(reply) before it, which ends the script with the error of a call.

-- Bytes of JSON, as in labkit/sidecar/scripts.py.
local LONGEST = 32 * 1024

-- Another type is what a key holds; any other refusal is about the whole call.
local function wrong_type(reply)
  if sub(reply.err, 1, 9) ~= "WRONGTYPE" then refuse(reply) end
  return "wrongtype"
end

-- key -> JSON, "" if there is none; nil and a reason if it cannot be that of a series.
local function series_at(key)
  local json = try_call("GETRANGE", key, "0", "32768")
  if type(json) == "table" then return nil, wrong_type(json) end
  if #json > LONGEST then return nil, "length" end
  return json
end

-- Amounts: how they are written, added up and bounded.

-- What `..` turns into text that reads back as the same double. Of a plain number it keeps 14 digits.
local function text(n)
  if n % 1 == 0 and n < 1e14 and n > -1e14 then return n end
  return shortest(n)
end

-- hi + lo + x as one double and what it cannot hold: so a million additions are rounded as if they were one.
local function add_exactly(hi, lo, x)
  local sum = hi + x
  local part = sum - hi
  lo = lo + ((hi - (sum - part)) + (x - part))
  local total = sum + lo
  return total, lo - (total - sum)
end

-- The text of what a double cannot hold, between a value and what follows; most have none.
local function carried(lo)
  return lo ~= 0 and ',"carry":' .. text(lo) or ""
end

-- "5,10,25" -> {5, 10, 25}; nil unless finite and ascending. Most series of a batch share their bounds.
local known_bounds = {}
local function bounds_of(list)
  local known_as = known_bounds[list]
  if known_as ~= nil then return known_as or nil end
  local bounds, n = {}, 0
  for word in list:gmatch("[^,]+") do
    n = n + 1
    bounds[n] = tonumber(word)
    if not finite(bounds[n]) or (n > 1 and bounds[n] <= bounds[n - 1]) then
      bounds = false
      break
    end
  end
  known_bounds[list] = bounds
  return bounds or nil
end

-- Counters and gauges: what Redis holds of one, and what an operation makes of it.

-- Whether so much of what is unusual may be looked at, too.
local function affords(bytes)
  if bytes > unusual_left then return false end
  unusual_left = unusual_left - bytes
  return true
end

-- What JSON of another's holds, or nil and a reason.
local function decode(json)
  if #json > LONGEST_FOREIGN or not affords(#json) then return nil, "length" end
  local decoded, held = pcall(cjson.decode, json)
  if decoded and type(held) == "table" then return held end
  return nil, "json"
end

-- When a series was created, as text: what another one wrote there need not be a time.
local function since(created)
  return finite(created) and created >= 1 and created < 1e11 and format("%.3f", created) or now_text
end

-- The JSON of a value -> {value, carry, created, how it is shared, by how many writers, their longest lease}.
local function foreign_value(json)
  local held, reason = decode(json)
  if not held then return nil, reason end
  if not finite(held.value) then return nil, "value" end
  return {value = held.value, carry = finite(held.carry) and held.carry or 0, created = since(held.created), writers = 0}
end

-- JSON of labkit's is no longer than this; a time in it has 10 digits and 3.
local LONGEST_VALUE, LONGEST_TIME = 256, 15

local function read_value(json)
  if #json <= LONGEST_VALUE then
    local value, after = match(json, '^{"value":([%d.e+-]+)()')
    local carry, after_carry = match(json, '^,"carry":([%d.e+-]+)()', after)
    after = after_carry or after
    local how, writers, lease, after_shared = match(json, '^,"combine":"(%l+)","writers":(%d+),"lease":(%d+%.?%d*)()', after)
    local created = match(json, '^,"created":([1-9]%d*%.%d+),"updated":%d+%.%d+}$', after_shared or after)
    value, carry = tonumber(value), tonumber(carry or 0)
    if created and #created <= LONGEST_TIME and (not lease or #lease <= LONGEST_TIME) and finite(value) and finite(carry) then
      return {
        value = value, carry = carry, created = created,
        how = how, writers = tonumber(writers or 0), lease = tonumber(lease or 0),
      }
    end
  end
  return foreign_value(json)
end

-- The same for a plain value, of which batches are full, without a table: value and created, or nil.
local function plain_value(json)
  if #json > LONGEST_VALUE then return nil end
  local value, created = match(json, '^{"value":([%d.e+-]+),"created":([1-9]%d*%.%d+),"updated":%d+%.%d+}$')
  value = tonumber(value)
  if finite(value) and #created <= LONGEST_TIME then return value, created end
end

local function value_json(value, carry, created)
  if not finite(value) then return nil, "value" end
  return '{"value":' .. text(value) .. carried(carry) .. ',"created":' .. created .. updated
end

-- (JSON that Redis holds or nil, operation) -> JSON, or nil and a reason.
local function counter(json, operation)
  if not json then return value_json(operation[3], 0, now_text) end
  local value, created = plain_value(json)
  local carry = 0
  if not value then
    local held, reason = read_value(json)
    if not held then return nil, reason end
    value, carry, created = held.value, held.carry, held.created
  end
  value, carry = add_exactly(value, carry, operation[3])
  return value_json(value, carry, created)
end

-- The same.
local function gauge(json, operation)
  local add, own, set = operation[3], operation[4], operation[5]
  if not json then return value_json(own, 0, now_text) end
  local value, created = plain_value(json)
  if not value then
    local held, reason = read_value(json)
    if not held then return nil, reason end
    if held.writers > 0 then return nil, "shared" end
    -- What nobody shares any more is held by none.
    if held.how then return value_json(own, 0, held.created) end
    value, created = held.value, held.created
  end
  return value_json((set or value) + add, 0, created)
end

-- Histograms: what Redis holds of one, and what an operation makes of it.

-- Counts of other bounds go to the first bound at or above their own: never into too small a bucket.
local function fold(adds, their_bounds, bounds)
  local folded, j = {}, 1
  for i = 1, #adds, 2 do
    local bound = their_bounds[adds[i]] or math.huge
    while j <= #bounds and bounds[j] < bound do j = j + 1 end
    folded[i], folded[i + 1] = j, adds[i + 1]
  end
  return folded
end

-- Add to the counts in place; return how much in all, nil if there is no such bucket or it cannot hold that much.
local function add_up(counts, adds)
  local added = 0
  for i = 1, #adds, 2 do
    local count = (tonumber(counts[adds[i]]) or math.huge) + adds[i + 1]
    if not (count < 2 ^ 53) then return nil end
    counts[adds[i]], added = text(count), added + adds[i + 1]
  end
  return added
end

-- The JSON of a histogram -> counts as texts, sum, carry, count, created, bounds as text; nil and a reason.
local function foreign_histogram(json)
  local held, reason = decode(json)
  if not held then return nil, reason end
  if type(held.bounds) ~= "table" or type(held.counts) ~= "table" or not finite(held.sum) then return nil, "bounds" end
  local bounds, counts, count = {}, {}, 0
  for i, bound in ipairs(held.bounds) do bounds[i] = finite(bound) and text(bound) or "nan" end
  for i, n in ipairs(held.counts) do
    if not finite(n) then return nil, "bounds" end
    counts[i], count = text(n), count + n
  end
  return counts, held.sum, finite(held.carry) and held.carry or 0, count, since(held.created), concat(bounds, ",")
end

-- A histogram of labkit's, from its counts on: texts, of which few change. A pattern has at most 32 captures, so many
-- counts are taken 24 at a time.
local AT_ONCE, REST = 24, ',"count":(%d+),"created":([1-9]%d*%.%d+),"updated":%d+%.%d+}$'
local PLAIN, CARRIED = '%],"sum":([%d.e+-]+)()' .. REST, '%],"sum":([%d.e+-]+),"carry":([%d.e+-]+)' .. REST
local patterns = {[","] = {}, [PLAIN] = {}, [CARRIED] = {}}
-- Most series of a batch have a carry if one of them has.
local usual, rarer = PLAIN, CARRIED

local function match_counts(json, at, n, ending)
  local pattern = patterns[ending][n]
  if not pattern then
    pattern = "^" .. string.rep("(%d+),", n - 1) .. "(%d+)" .. ending
    patterns[ending][n] = pattern
  end
  return match(json, pattern, at)
end

-- n counts and what follows them, in one list; nil if there are others.
local function counts_at(json, at, n)
  local counts = {}
  for from = 0, n - AT_ONCE - 1, AT_ONCE do
    for i, count in ipairs {match_counts(json, at, AT_ONCE, ",")} do
      counts[from + i], at = count, at + #count + 1
    end
  end
  local last = n - #counts
  if last > AT_ONCE then return nil end
  local parts = {match_counts(json, at, last, usual)}
  if not parts[1] then
    usual, rarer = rarer, usual
    parts = {match_counts(json, at, last, usual)}
  end
  if last == n then return parts[1] and parts end
  for _, part in ipairs(parts) do counts[#counts + 1] = part end
  return counts[n + 1] and counts
end

-- Bounds stay as they are in the JSON that is written, so they must be as this script writes them.
local function are_canonical(list)
  local texts = {}
  for i, bound in ipairs(bounds_of(list) or {}) do texts[i] = text(bound) end
  return concat(texts, ",") == list
end

-- How long the JSON of a histogram with these bounds can be: a count has up to 16 digits.
local function longest_with(bounds)
  return #bounds + 17 * #bounds_of(bounds) + 256
end

-- The bounds, as text, in JSON that looks like labkit's; nil if it does not, or if it is too long to be looked at.
local function other_bounds(json)
  local from = match(json, '^{"bounds":%[()')
  local after = from and find(json, "]", from, true)
  if not after or after > LONGEST_BOUNDS or not find(json, '^%],"counts":%[', after) then return nil end
  local bounds = json:sub(from, after - 1)
  if known_bounds[bounds] == nil then
    if not affords(#bounds) then return nil end
    if not are_canonical(bounds) then known_bounds[bounds] = false end
  end
  if bounds_of(bounds) and #json <= longest_with(bounds) then return bounds end
end

-- Of the bounds, as text, that an operation has; Redis may hold others.
local starts = {}
local function read_histogram(json, bounds)
  if not starts[bounds] then starts[bounds] = '{"bounds":[' .. bounds .. '],"counts":[' end
  if #json > longest_with(bounds) or find(json, starts[bounds], 1, true) ~= 1 then bounds = other_bounds(json) end
  local n = bounds and #bounds_of(bounds) + 1
  local counts = n and counts_at(json, #bounds + 24, n)
  if not counts then return foreign_histogram(json) end
  local sum, carry, count, created = tonumber(counts[n + 1]), counts[n + 2], counts[n + 3], counts[n + 4]
  carry = usual == PLAIN and 0 or tonumber(carry)
  counts[n + 1], counts[n + 2], counts[n + 3], counts[n + 4] = nil, nil, nil, nil
  if not (finite(sum) and finite(carry) and #created <= LONGEST_TIME) then return foreign_histogram(json) end
  return counts, sum, carry, count, created, bounds
end

local function zeros(n)
  local counts = {}
  for i = 1, n do counts[i] = "0" end
  return counts
end

-- (JSON that Redis holds or nil, operation) -> JSON, nil, whether counts were folded; or nil and a reason.
local function histogram(json, operation)
  local bounds, adds, theirs = operation[3], operation[4], bounds_of(operation[3])
  local counts, sum, carry, count, created, held
  if json then counts, sum, carry, count, created, held = read_histogram(json, bounds)
  else counts, sum, carry, count, created, held = zeros(#theirs + 1), 0, 0, 0, now_text, bounds end
  if not counts then return nil, sum end
  if held ~= bounds then
    local ours = bounds_of(held)
    if not ours or #counts ~= #ours + 1 then return nil, "bounds" end
    adds = fold(adds, theirs, ours)
  end
  local added = add_up(counts, adds)
  sum, carry = add_exactly(sum, carry, operation[5])
  if not (added and count + added < 2 ^ 53 and finite(sum)) then return nil, "value" end
  return '{"bounds":[' .. held .. '],"counts":[' .. concat(counts, ",") .. '],"sum":' .. text(sum) .. carried(carry)
    .. ',"count":' .. text(count + added) .. ',"created":' .. created .. updated, nil, held ~= bounds
end

-- Shared gauges: the writers' entries, by value, and their leases, by time, in two keys beside the series, so that none
-- costs more among many writers.

local leases_left, NONE = LEASES_PER_CALL, {}

-- How many entries there are, and whether they belong to what is held, rather than to another life of the series; nil
-- and a reason.
local function count_entries(held, entries, leases)
  local n, leased = try_call("ZCARD", entries), try_call("ZCARD", leases)
  if type(n) == "table" then return nil, wrong_type(n) end
  if type(leased) == "table" then return nil, wrong_type(leased) end
  return n, n == leased and n == held.writers
end

-- The writers whose leases have ended, others than this one, and what they held.
local function dead_writers(entries, leases)
  local dead = {}
  for _, writer in ipairs(checked_call("ZRANGE", leases, "-inf", text(now), "BYSCORE", "LIMIT", 0, leases_left)) do
    if writer ~= ENTRY then dead[#dead + 1] = writer end
  end
  leases_left = leases_left - #dead
  return dead, #dead > 0 and checked_call("ZMSCORE", entries, unpack(dead)) or NONE
end

-- Of some entries, by value, those of living writers other than this one.
local function living(entries, from, to, dead)
  local values, without = {}, {[ENTRY] = true}
  for _, writer in ipairs(dead) do without[writer] = true end
  local some = checked_call("ZRANGE", entries, from, to, "WITHSCORES")
  for i = 1, #some, 2 do
    if not without[some[i]] then values[#values + 1] = tonumber(some[i + 1]) end
  end
  return values
end

-- The least or the greatest of what is held, own value included.
local function extreme(how, entries, own, dead)
  local least, value = how == "min", own
  for _, other in ipairs(living(entries, least and 0 or -2 - #dead, least and #dead + 1 or -1, dead)) do
    if not value or least == (other < value) then value = other end
  end
  return value
end

-- The sum without what goes and with what comes, in this order: both may be more than a double can hold.
local function new_sum(held, entries, own, before, dead, held_by_dead)
  local value, carry = add_exactly(held.value, held.carry, -before)
  local greatest = math.abs(before)
  for _, gone in ipairs(held_by_dead) do
    value, carry = add_exactly(value, carry, -(gone or 0))
    greatest = math.max(greatest, math.abs(gone or 0))
  end
  -- Beside a number so great, the others may have been lost.
  if not (greatest < 2 ^ 53) and held.writers <= leases_left then
    leases_left, value, carry = leases_left - held.writers, 0, 0
    for _, other in ipairs(living(entries, 0, -1, dead)) do value, carry = add_exactly(value, carry, other) end
  end
  return add_exactly(value, carry, own)
end

-- Among the entries of others: how many there are now, the value, its carry, the entry before and the dead.
local function among_others(held, how, own, entries, leases)
  local before = checked_call("ZSCORE", entries, ENTRY)
  local dead, held_by_dead = dead_writers(entries, leases)
  local n, value, carry = held.writers - #dead - (before and 1 or 0) + (own and 1 or 0), 0, 0
  if own and n == 1 then
    value = own
  elseif n > 0 and how == "sum" then
    value, carry = new_sum(held, entries, own or 0, before or 0, dead, held_by_dead)
  elseif n > 0 then
    value = extreme(how, entries, own, dead) or 0
  end
  return n, value, carry, before, dead
end

-- Return what to write, or nil and a reason.
local function shared(json, operation, entries, leases)
  local how, own = operation[3], operation[4]
  local held, reason = {created = now_text, writers = 0}, nil
  if json then held, reason = read_value(json) end
  if not held then return nil, reason end
  local counted, sound = count_entries(held, entries, leases)
  if not counted then return nil, sound end
  if held.how and held.how ~= how and held.writers > 0 then return nil, "shared" end
  local n, value, carry, before, dead, late, lease = own and 1 or 0, own or 0, 0, nil, NONE, NONE, LEASE
  local fresh = not sound or held.how ~= how
  if not fresh then
    n, value, carry, before, dead = among_others(held, how, own, entries, leases)
    lease = math.max(held.lease, LEASE)
    -- The server's clock was set back: nobody's lease is longer than the longest.
    late = checked_call("ZRANGE", leases, "(" .. text(now + lease), "+inf", "BYSCORE", "LIMIT", 0, SWEPT_PER_STEP)
  end
  if not finite(value) then return nil, "value" end
  local as = format('"combine":"%s","writers":%d,"lease":%s,', how, n, text(lease))
  return {
    json = '{"value":' .. text(value) .. carried(carry) .. "," .. as .. '"created":' .. held.created .. updated,
    -- With its last lease the series ends, unless a writer lives that holds nothing.
    ms = n > 0 and math.min(lease * 1000, TTL) or TTL,
    entries = entries, leases = leases, own = own, before = before, dead = dead, fresh = fresh, late = late, lease = lease,
  }
end

local MERGE = {counter = counter, gauge = gauge, histogram = histogram}

-- Plan: read and check everything

local keys, texts, gauges, removals, unlinked = {}, {}, {}, {}, {}
local skipped, folded, removed, missing = {}, {}, {}, {}
local decoded, operations = pcall(cjson.decode, OPERATIONS)
if not decoded or type(operations) ~= "table" then return answer("rejected") end
-- The keys of the writers of the next shared gauge.
local helper = FIRST_SERIES + #operations

local function skip(key, reason)
  skipped[#skipped + 1], skipped[#skipped + 2] = key, reason
end

-- Whether a key that is missing was removed by somebody, rather than lost in another way.
local function was_removed(key)
  local at = checked_call("ZSCORE", REMOVED, key)
  return at and tonumber(at) > now - TTL / 1000
end

local function plan_removal(key, is_shared, entries, leases)
  removals[#removals + 1], unlinked[#unlinked + 1] = key, key
  if is_shared then unlinked[#unlinked + 1], unlinked[#unlinked + 2] = entries, leases end
end

-- Whether a key that is missing stays so.
local function stays_away(key, kind, mode)
  if mode == "new" then return false end
  if was_removed(key) then
    if mode ~= "record" then removed[#removed + 1] = key end
    return mode ~= "record"
  end
  -- A shared gauge ends with its last lease, and its living writers bring it back.
  if kind ~= "shared" and mode ~= "again" then missing[#missing + 1] = key end
  return false
end

local function plan_merge(key, kind, json, operation)
  local merged, reason, was_folded = MERGE[kind](json, operation)
  if not merged then return skip(key, reason) end
  keys[#keys + 1], texts[#texts + 1] = key, merged
  if was_folded then folded[#folded + 1] = key end
end

local function plan_shared(key, json, operation, entries, leases)
  local gauge_plan, reason = shared(json, operation, entries, leases)
  if not gauge_plan then return skip(key, reason) end
  gauge_plan.key = key
  gauges[#gauges + 1] = gauge_plan
end

local function plan(key, operation)
  local kind, mode = operation[1], operation[2]
  local entries, leases
  if kind == "shared" or mode == "shared" then
    entries, leases, helper = KEYS[helper], KEYS[helper + 1], helper + 2
  end
  if kind == "remove" then return plan_removal(key, mode == "shared", entries, leases) end
  local json, reason = series_at(key)
  if not json then return skip(key, reason) end
  if json == "" and checked_call("EXISTS", key) == 0 then
    json = nil
    if stays_away(key, kind, mode) then return end
  end
  if kind == "shared" then return plan_shared(key, json, operation, entries, leases) end
  plan_merge(key, kind, json, operation)
end

local planned = 0
local function plan_the_rest()
  while planned < #operations do
    planned = planned + 1
    plan(KEYS[FIRST_SERIES + planned - 1], operations[planned])
  end
end

repeat
  local sound = pcall(plan_the_rest)
  if refusal then return refusal end
  if not sound then skip(KEYS[FIRST_SERIES + planned - 1] or "", "operation") end
until planned == #operations

local metadata = {}
local described, descriptions = pcall(cjson.decode, METADATA)
for name, entry in pairs(described and descriptions or {}) do
  metadata[#metadata + 1], metadata[#metadata + 2] = name, cjson.encode(entry)
end

-- Living writers refresh their series, so those of the dead are left at the old end of the index. From there on it is
-- swept up to the version that the server had when the sweep began; then another begins.

local swept, goal = state[3], state[4]
local dead_series, PREFIX = {}, prefix_of(INDEX)

local function sweep_from_the_start()
  swept, goal = "-inf", call("ZRANGE", INDEX, -1, -1, "WITHSCORES")[2] or "0"
end

local function sweep()
  local all_dead, some = true, call("ZRANGE", INDEX, "(" .. swept, goal, "BYSCORE", "LIMIT", 0, SWEPT_PER_STEP, "WITHSCORES")
  for i = 1, #some, 2 do
    local key = some[i]
    -- What is no series of this prefix has no business in the index.
    if has_prefix(key, PREFIX) and (call("EXISTS", key) == 1 or call("ZSCORE", REMOVED, key)) then
      all_dead = false
    else
      dead_series[#dead_series + 1] = key
    end
    swept = some[i + 1]
  end
  if #some > 0 then return all_dead end
  local again = swept ~= "-inf"
  sweep_from_the_start()
  return again
end

-- As this script writes it: what Lua takes for a number need not be one for Redis.
local function score_of(held)
  local n = tonumber(held)
  return n and n == n and text(n)
end

swept, goal = score_of(swept), score_of(goal)
if not (swept and goal) then sweep_from_the_start() end
for _ = 1, STEPS_PER_CALL do
  if not sweep() then break end
end

local forgotten = call("ZRANGE", REMOVED, "-inf", text(now - TTL / 1000), "BYSCORE", "LIMIT", 0, REMOVALS_PER_CALL)
local outdated = {}
for _, writer in ipairs(call("ZRANGE", WRITERS, "-inf", text(now), "BYSCORE", "LIMIT", 0, FENCES_PER_CALL)) do
  if writer ~= WRITER then outdated[#outdated + 1] = writer end
end

-- Write

call("HSET", FENCES, WRITER, ARGV[1])
call("ZADD", WRITERS, text(now + FENCE_TTL), WRITER)

-- A relative time would cost as much again: the server turns it into an absolute one for its file and its replicas.
local function expires(ms)
  return format("%.0f", math.floor(now * 1000) + ms)
end

local expires_at = expires(TTL)
for i = 1, #keys do call("SET", keys[i], texts[i], "PXAT", expires_at) end

local function write_shared(gauge_plan)
  local entries, leases, ends = gauge_plan.entries, gauge_plan.leases, expires(gauge_plan.ms)
  call("SET", gauge_plan.key, gauge_plan.json, "PXAT", ends)
  keys[#keys + 1] = gauge_plan.key
  if gauge_plan.fresh then call("UNLINK", entries, leases) end
  if #gauge_plan.dead > 0 then
    call("ZREM", entries, unpack(gauge_plan.dead))
    call("ZREM", leases, unpack(gauge_plan.dead))
  end
  for _, writer in ipairs(gauge_plan.late) do call("ZADD", leases, text(now + gauge_plan.lease), writer) end
  if gauge_plan.own then
    call("ZADD", entries, text(gauge_plan.own), ENTRY)
    call("ZADD", leases, text(now + LEASE), ENTRY)
    call("PEXPIREAT", entries, ends)
    call("PEXPIREAT", leases, ends)
  elseif gauge_plan.before then
    call("ZREM", entries, ENTRY)
    call("ZREM", leases, ENTRY)
  end
end

for _, gauge_plan in ipairs(gauges) do write_shared(gauge_plan) end

-- Removed series stay in the index for a while, so that readers learn of the removal.
if #removals > 0 then
  call("UNLINK", unpack(unlinked))
  for _, key in ipairs(removals) do
    call("ZADD", REMOVED, text(now), key)
    keys[#keys + 1] = key
  end
end

-- Before this batch's own keys are noted: one of them may have been dead.
if #dead_series > 0 then call("ZREM", INDEX, unpack(dead_series)) end
if #forgotten > 0 then call("ZREM", REMOVED, unpack(forgotten)) end
-- One version per series, so that a reader's page may end between any two of them.
if #keys > 0 then
  local scores = {}
  for i, key in ipairs(keys) do scores[2 * i - 1], scores[2 * i] = text(version + i), key end
  call("ZADD", INDEX, unpack(scores))
end
call("HSET", STATE, "epoch", epoch, "version", format("%.0f", version + #keys), "swept", swept, "goal", goal)
if #metadata > 0 then call("HSET", META, unpack(metadata)) end
if #outdated > 0 then
  call("HDEL", FENCES, unpack(outdated))
  call("ZREM", WRITERS, unpack(outdated))
end

fence = ARGV[1]
local reply = answer("applied")
reply[5], reply[6], reply[7], reply[8] = skipped, folded, removed, missing
return reply
