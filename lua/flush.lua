-- flush.lua: apply one batch of a writer, whole and at most once.
--
-- KEYS  1  <prefix>.state        hash: epoch, version
--       2  <prefix>.index        zset: series key -> version of its last change
--       3  <prefix>.meta         hash: metric name -> {"type","help","unit"}
--       4  <prefix>.removed      zset: series key -> when it was removed, s
--       5  <prefix>.writer.<id>  string: number of the last batch applied for this writer (the fence)
--       6… one key per series, each once
-- ARGV  1  number of the batch: 1, 2, 3…
--       2  number of the oldest batch that the writer has no answer for
--       3  ttl of the series, ms
--       4  ttl of the fence, ms
--       5  lease of the writer's entries in shared gauges, ms
--       6  epoch to use if the server has none yet: random text
--       7  id of the writer
--       8  JSON object: metric name -> its entry in <prefix>.meta
--       9  JSON array: one operation per series, in the order of KEYS; numbers are finite:
--            ["counter", create, add]
--            ["gauge", create, add, own]             the writer's own value is used where Redis holds none
--            ["gauge", create, add, own, set]        add to <set> instead of what Redis holds
--            ["shared", create, how, own]            one entry per writer; how is sum, min or max; no own: no entry
--            ["histogram", create, bounds, adds, sum]  bounds as text, 5,10,25; adds as bucket, n, bucket, n…:
--                                                    buckets from 1, one more than bounds; each at most once
--            ["remove"]
--          create false, adding zero: a refresh. It does not touch a series that was removed within the last ttl.
-- Returns  {status, epoch, fence, known, {key, reason, …}, {key, …}, {key, …}}
--          status  applied    the batch is in Redis now, all but the series skipped
--                  duplicate  it was there already; nothing was done
--                  gap        a batch before this one is missing; nothing was done
--          fence   number of the last batch applied, or "" if the server knows none of this writer
--          known   "1" if there was a fence of this writer, else ""
--          5th     series that were skipped, and why: wrongtype, json, value, bounds
--          6th     histograms whose counts were folded into the other bounds that Redis holds
--          7th     series that were to be refreshed but have been removed
-- Errors   before anything is written, when a key other than a series has the wrong type.
--
-- A script that fails half-way keeps its writes, so everything is read and checked before the first of them.
-- Series that labkit wrote are taken apart by patterns, five times as fast as cjson; all others are decoded.

local call, format, match, concat = redis.call, string.format, string.match, table.concat
local STATE, INDEX, META, REMOVED, FENCE, FIRST_SERIES = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], 6
local NUMBER, OLDEST, TTL, FENCE_TTL = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
local LEASE, EPOCH, WRITER, METADATA, OPERATIONS = ARGV[5] / 1000, ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local EXPIRED_PER_CALL, FORGOTTEN_PER_CALL = 8, 256

-- Guard clauses ---------------------------------------------------------------

local epoch = call("HGET", STATE, "epoch") or EPOCH
local fence = call("GET", FENCE)
call("ZCARD", INDEX)
call("ZCARD", REMOVED)
call("HLEN", META)
if fence then
  fence = tonumber(fence)
  if not fence then return redis.error_reply("ERR " .. FENCE .. " does not hold a batch number") end
  if NUMBER <= fence then return {"duplicate", epoch, tostring(fence), "1", {}, {}, {}} end
  if NUMBER > fence + 1 then return {"gap", epoch, tostring(fence), "1", {}, {}, {}} end
elseif NUMBER ~= OLDEST then
  -- The batch before this one was sent with it and refused: applying this one would fence that one off.
  return {"gap", epoch, "", "", {}, {}, {}}
end

local clock = call("TIME")
local now = clock[1] + clock[2] / 1000000
local now_text = format("%.3f", now)
local updated = ',"updated":' .. now_text .. "}"

-- Numbers ---------------------------------------------------------------------

local function finite(n)
  return type(n) == "number" and n == n and n ~= math.huge and n ~= -math.huge
end

-- What `..` turns into text that reads back as the same double. Of a plain number it keeps 14 digits.
local function text(n)
  if n % 1 == 0 and n < 1e14 and n > -1e14 then return n end
  if n % 1 == 0 and n < 2 ^ 53 and n > -2 ^ 53 then return format("%.0f", n) end
  local short = format("%.15g", n)
  if tonumber(short) == n then return short end
  return format("%.17g", n)
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

-- "" or ',"carry":…' -> number; nil for any other text.
local function carry_of(extra)
  if extra == "" then return 0 end
  return tonumber(match(extra, '^,"carry":([%d.e+-]+)$'))
end

local function joined(list)
  local texts = {}
  for i = 1, #list do texts[i] = text(list[i]) end
  return concat(texts, ",")
end

-- One function per kind: (JSON that Redis holds or false, operation) -> JSON, or nil and a reason --------------

local function decode(json)
  local decoded, held = pcall(cjson.decode, json)
  if decoded and type(held) == "table" then return held end
end

local function created(held)
  return finite(held.created) and format("%.3f", held.created) or now_text
end

-- {"value":…} -> value, when it was created, and what the value cannot hold; nil and a reason.
local function read_value(json)
  local value, extra, since = match(json, '^{"value":([%d.e+-]+)(.-),"created":([%d.]+),"updated":[%d.]+}$')
  local carry = value and carry_of(extra)
  if carry then
    value = tonumber(value)
  else
    local held = decode(json)
    if not held then return nil, "json" end
    value, since, carry = held.value, created(held), finite(held.carry) and held.carry or 0
  end
  if not finite(value) then return nil, "value" end
  return value, since, carry
end

local function value_json(value, since, carry)
  if not finite(value) then return nil, "value" end
  return '{"value":' .. text(value) .. carried(carry or 0) .. ',"created":' .. since .. updated
end

local function counter(json, operation)
  local value, since, carry = 0, now_text, 0
  if json then
    value, since, carry = read_value(json)
    if not value then return nil, since end
  end
  value, carry = add_exactly(value, carry, operation[3])
  return value_json(value, since, carry)
end

local function gauge(json, operation)
  local add, own, set = operation[3], operation[4], operation[5]
  if not json then return value_json(own, now_text) end
  local value, since = read_value(json)
  if not value then return nil, since end
  return value_json((set or value) + add, since)
end

local REDUCE = {
  sum = function(a, b) return a + b end,
  min = math.min,
  max = math.max,
}

local function shared(json, operation)
  local how, own = operation[3], operation[4]
  local held = {writers = {}}
  if json then held = decode(json) end
  if not held then return nil, "json" end
  local writers = held.writers
  if type(writers) ~= "table" then return nil, "value" end
  writers[WRITER] = own and {own, now + LEASE} or nil
  local value, entries = nil, {}
  for writer, entry in pairs(writers) do
    if type(entry) ~= "table" or not finite(entry[1]) or not finite(entry[2]) then return nil, "value" end
    if entry[2] > now then
      value = value and REDUCE[how](value, entry[1]) or entry[1]
      entries[#entries + 1] = format("%s:[%s,%.3f]", cjson.encode(writer), text(entry[1]), entry[2])
    end
  end
  table.sort(entries)
  value = value or 0
  if not finite(value) then return nil, "value" end
  return format(
    '{"value":%s,"shared":"%s","writers":{%s},"created":%s%s',
    text(value), how, concat(entries, ","), created(held), updated
  )
end

local function sound(held)
  if type(held.bounds) ~= "table" or type(held.counts) ~= "table" then return false end
  if #held.counts ~= #held.bounds + 1 or not finite(held.sum) then return false end
  for i = 1, #held.bounds do
    if not finite(held.bounds[i]) or (i > 1 and held.bounds[i] <= held.bounds[i - 1]) then return false end
  end
  for i = 1, #held.counts do
    if not finite(held.counts[i]) then return false end
  end
  return true
end

-- Counts of other bounds go to the first bound at or above their own: never into too small a bucket.
local function fold(counts, bounds, adds, their_bounds)
  for i = 1, #adds, 2 do
    local bound, j = their_bounds[adds[i]], 1
    while j <= #bounds and (not bound or bounds[j] < bound) do j = j + 1 end
    counts[j] = counts[j] + adds[i + 1]
  end
end

local function histogram_json(bounds, counts, sum, carry, count, since)
  if not finite(sum) then return nil, "value" end
  return '{"bounds":[' .. bounds .. '],"counts":[' .. concat(counts, ",") .. '],"sum":' .. text(sum)
    .. carried(carry) .. ',"count":' .. text(count) .. ',"created":' .. since .. updated
end

local function bucket_count(bounds)
  if bounds == "" then return 1 end
  return select(2, string.gsub(bounds, ",", ",")) + 2
end

-- What labkit wrote for a histogram of these bounds: the text before its counts, and a pattern for the rest.
local shapes = {}
local function shape_of(bounds)
  local shape = shapes[bounds]
  if not shape then
    local n = bucket_count(bounds)
    shape = {start = '{"bounds":[' .. bounds .. '],"counts":[', n = n, none = {}}
    for i = 1, n do shape.none[i] = "0" end
    -- A pattern has at most 32 captures.
    if n <= 28 then
      shape.rest = "^" .. string.rep("(%d+),", n - 1) .. "(%d+)"
        .. '%],"sum":([%d.e+-]+)(.-),"count":(%d+),"created":([%d.]+),"updated":[%d.]+}$'
    end
    shapes[bounds] = shape
  end
  return shape
end

-- {counts…, sum, carry, count, created} as texts, if labkit wrote it with these bounds; the text of a bucket becomes a
-- number only when something is added to it.
local function take_apart(json, shape)
  if shape.rest and string.find(json, shape.start, 1, true) == 1 then
    return {match(json, shape.rest, #shape.start + 1)}
  end
  return {}
end

local function add_up(counts, adds)
  local added = 0
  for i = 1, #adds, 2 do
    counts[adds[i]] = text(counts[adds[i]] + adds[i + 1])
    added = added + adds[i + 1]
  end
  return added
end

local function histogram(json, operation)
  local bounds, adds, sum = operation[3], operation[4], operation[5]
  local shape = shape_of(bounds)
  local n = shape.n
  if not json then
    local counts = {unpack(shape.none)}
    local count = add_up(counts, adds)
    return histogram_json(bounds, counts, sum, 0, count, now_text)
  end
  local parts = take_apart(json, shape)
  local carry = parts[1] and carry_of(parts[n + 2])
  if carry then
    local held_sum, held_count, since = tonumber(parts[n + 1]), parts[n + 3], parts[n + 4]
    if not held_sum then return nil, "bounds" end
    for i = n + 1, n + 4 do parts[i] = nil end
    local count = held_count + add_up(parts, adds)
    sum, carry = add_exactly(held_sum, carry, sum)
    return histogram_json(bounds, parts, sum, carry, count, since)
  end
  local held = decode(json)
  if not held then return nil, "json" end
  if not sound(held) then return nil, "bounds" end
  fold(held.counts, held.bounds, adds, cjson.decode("[" .. bounds .. "]"))
  local count = 0
  for i = 1, #held.counts do count = count + held.counts[i] end
  local held_bounds = joined(held.bounds)
  sum, carry = add_exactly(held.sum, finite(held.carry) and held.carry or 0, sum)
  local result, reason = histogram_json(held_bounds, {joined(held.counts)}, sum, carry, count, created(held))
  return result, reason, held_bounds ~= bounds
end

local MERGE = {counter = counter, gauge = gauge, shared = shared, histogram = histogram}

-- Read and check everything ----------------------------------------------------

-- A key that is to be refreshed and is gone: was it removed, or lost in another way?
local function was_removed(key)
  local at = call("ZSCORE", REMOVED, key)
  return at and tonumber(at) > now - TTL / 1000
end

local write_keys, write_texts, removals, skipped, folded, removed = {}, {}, {}, {}, {}, {}
local operations = cjson.decode(OPERATIONS)
local held = #operations > 0 and call("MGET", unpack(KEYS, FIRST_SERIES)) or {}

local function plan(key, json, operation)
  local kind, create = operation[1], operation[2]
  if kind == "remove" then
    removals[#removals + 1] = key
    return
  end
  local merged, reason, was_folded
  if not json and call("EXISTS", key) == 1 then
    -- MGET returns nothing for a list or a hash.
    reason = "wrongtype"
  elseif not json and not create and was_removed(key) then
    removed[#removed + 1] = key
    return
  else
    merged, reason, was_folded = MERGE[kind](json, operation)
  end
  if merged then
    write_keys[#write_keys + 1], write_texts[#write_texts + 1] = key, merged
  else
    skipped[#skipped + 1] = key
    skipped[#skipped + 1] = reason
  end
  if was_folded then folded[#folded + 1] = key end
end

for i = 1, #operations do plan(KEYS[FIRST_SERIES + i - 1], held[i], operations[i]) end
local metadata = {}
for name, entry in pairs(cjson.decode(METADATA)) do
  metadata[#metadata + 1] = name
  metadata[#metadata + 1] = cjson.encode(entry)
end

-- Write ------------------------------------------------------------------------

-- Removed series stay in the index for a while, so that readers learn of the removal.
local function remove_all()
  local times = {}
  for i, key in ipairs(removals) do
    call("DEL", key)
    write_keys[#write_keys + 1] = key
    times[2 * i - 1], times[2 * i] = now, key
  end
  call("ZADD", REMOVED, unpack(times))
end

-- One version per series, so that a reader's page may end between any two of them.
local function raise_versions()
  local version = call("HINCRBY", STATE, "version", #write_keys) - #write_keys
  local scores = {}
  for i, key in ipairs(write_keys) do
    scores[2 * i - 1], scores[2 * i] = text(version + i), key
  end
  call("ZADD", INDEX, unpack(scores))
end

call("HSETNX", STATE, "epoch", epoch)
-- A relative time would cost as much again: the server turns it into an absolute one for its file and its replicas.
local expires = format("%.0f", math.floor(now * 1000) + TTL)
for i = 1, #write_texts do call("SET", write_keys[i], write_texts[i], "PXAT", expires) end
if #removals > 0 then remove_all() end
if #write_keys > 0 then raise_versions() end
if #metadata > 0 then call("HSET", META, unpack(metadata)) end
call("SET", FENCE, ARGV[1], "PX", FENCE_TTL)

-- Living writers refresh their series, so those of the dead gather at the old end of the index.
for _, key in ipairs(call("ZRANGE", INDEX, 0, EXPIRED_PER_CALL - 1)) do
  if call("EXISTS", key) == 0 and not call("ZSCORE", REMOVED, key) then call("ZREM", INDEX, key) end
end
local forgotten = call("ZRANGEBYSCORE", REMOVED, "-inf", now - TTL / 1000, "LIMIT", 0, FORGOTTEN_PER_CALL)
if #forgotten > 0 then call("ZREM", REMOVED, unpack(forgotten)) end
return {"applied", epoch, ARGV[1], fence and "1" or "", skipped, folded, removed}
