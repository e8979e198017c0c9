-- flush.lua: apply one batch of a writer, whole and at most once.
--
-- KEYS  1  <prefix>.state        hash: epoch, version
--       2  <prefix>.index        zset: series key -> version of its last change
--       3  <prefix>.meta         hash: metric name -> {"type","help","unit"}
--       4  <prefix>.writer.<id>  string: number of the last batch applied for this writer (the fence)
--       5… one key per series
-- ARGV  1  number of the batch: 1, 2, 3…
--       2  number of the oldest batch that the writer has no answer for
--       3  ttl of the series, ms
--       4  ttl of the fence, ms
--       5  epoch to use if the server has none yet: random text
--       6  id of the writer
--       7  JSON object: metric name -> its entry in <prefix>.meta
--       8… one operation per series, in the order of KEYS, as words; numbers are finite:
--            counter <add>
--            gauge <add> <own>                   the writer's own value is used where Redis holds none
--            gauge <add> <own> <set>             add to <set> instead of what Redis holds
--            shared <sum|min|max> <own> <lease>  one entry per writer; lease in s
--            histogram <bounds> <counts> <sum>   lists as 5,10,25; one more count than bounds; - for no bounds
--          Adding zero refreshes a series, or creates it.
-- Returns  {status, epoch, fence, {key, reason, …}, {key, …}, known}
--          status  applied    the batch is in Redis now, all but the series skipped
--                  duplicate  it was there already; nothing was done
--                  gap        a batch before this one is missing; nothing was done
--          fence   number of the last batch applied, or "" if the server knows none of this writer
--          4th     series that were skipped, and why: wrongtype, json, value, bounds
--          5th     histograms whose counts were folded into the other bounds that Redis holds
--          known   "1" if there was a fence of this writer, else ""
-- Errors   before anything is written, when a key other than a series has the wrong type.
--
-- A script that fails half-way keeps its writes, so everything is read and checked before the first of them.
-- Series that labkit wrote are taken apart by patterns, five times as fast as cjson; all others are decoded.

local call, format, match = redis.call, string.format, string.match
local STATE, INDEX, META, FENCE, FIRST_SERIES = KEYS[1], KEYS[2], KEYS[3], KEYS[4], 5
local NUMBER, OLDEST, TTL, FENCE_TTL = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
local EPOCH, WRITER, METADATA, FIRST_OPERATION = ARGV[5], ARGV[6], ARGV[7], 8
local EXPIRED_PER_CALL = 8

-- Guard clauses ---------------------------------------------------------------

local epoch = call("HGET", STATE, "epoch") or EPOCH
local fence = call("GET", FENCE)
call("ZCARD", INDEX)
call("HLEN", META)
if fence then
  fence = tonumber(fence)
  if not fence then return redis.error_reply("ERR " .. FENCE .. " does not hold a batch number") end
  if NUMBER <= fence then return {"duplicate", epoch, tostring(fence), {}, {}, "1"} end
  if NUMBER > fence + 1 then return {"gap", epoch, tostring(fence), {}, {}, "1"} end
elseif NUMBER ~= OLDEST then
  -- The batch before this one was sent with it and refused: applying this one would fence that one off.
  return {"gap", epoch, "", {}, {}, ""}
end

local clock = call("TIME")
local now = clock[1] + clock[2] / 1000000
local now_text = format("%.3f", now)
local updated = ',"updated":' .. now_text .. "}"

-- Numbers ---------------------------------------------------------------------

local function finite(n)
  return type(n) == "number" and n == n and n ~= math.huge and n ~= -math.huge
end

-- The shortest text that reads back as the same double; `tostring` would keep 14 digits only.
local function text(n)
  if n % 1 == 0 and n < 2 ^ 53 and n > -2 ^ 53 then return format("%.0f", n) end
  local short = format("%.15g", n)
  if tonumber(short) == n then return short end
  return format("%.17g", n)
end

-- "5,10,25" -> {5, 10, 25}
local function numbers(list)
  local result, n = {}, 0
  for word in list:gmatch("[^,]+") do
    n = n + 1
    result[n] = tonumber(word)
  end
  return result
end

local function joined(list)
  local texts = {}
  for i = 1, #list do texts[i] = text(list[i]) end
  return table.concat(texts, ",")
end

-- One function per kind: (JSON that Redis holds or false, words…) -> JSON, or nil and a reason ----------------

local function decode(json)
  local decoded, held = pcall(cjson.decode, json)
  if decoded and type(held) == "table" then return held end
end

local function created(held)
  return finite(held.created) and format("%.3f", held.created) or now_text
end

-- {"value":…} -> value and when it was created; nil and a reason.
local function read_value(json)
  local value, since = match(json, '^{"value":([%d.e+-]+),"created":([%d.]+),"updated":[%d.]+}$')
  if value then
    value = tonumber(value)
  else
    local held = decode(json)
    if not held then return nil, "json" end
    value, since = held.value, created(held)
  end
  if not finite(value) then return nil, "value" end
  return value, since
end

local function value_json(value, since)
  if not finite(value) then return nil, "value" end
  return '{"value":' .. text(value) .. ',"created":' .. since .. updated
end

local function counter(json, add)
  local value, since = 0, now_text
  if json then
    value, since = read_value(json)
    if not value then return nil, since end
  end
  return value_json(value + add, since)
end

local function gauge(json, add, own, set)
  if not json then return value_json(tonumber(own), now_text) end
  local value, since = read_value(json)
  if not value then return nil, since end
  return value_json((tonumber(set) or value) + add, since)
end

local REDUCE = {
  sum = function(a, b) return a + b end,
  min = math.min,
  max = math.max,
}

local function shared(json, how, own, lease)
  local held = {writers = {}}
  if json then held = decode(json) end
  if not held then return nil, "json" end
  local writers = held.writers
  if type(writers) ~= "table" then return nil, "value" end
  writers[WRITER] = {tonumber(own), now + lease}
  local value, entries = nil, {}
  for writer, entry in pairs(writers) do
    if type(entry) ~= "table" or not finite(entry[1]) or not finite(entry[2]) then return nil, "value" end
    if entry[2] > now then
      value = value and REDUCE[how](value, entry[1]) or entry[1]
      entries[#entries + 1] = format("%s:[%s,%.3f]", cjson.encode(writer), text(entry[1]), entry[2])
    end
  end
  table.sort(entries)
  if not finite(value) then return nil, "value" end
  return format(
    '{"value":%s,"shared":"%s","writers":{%s},"created":%s%s',
    text(value), how, table.concat(entries, ","), created(held), updated
  )
end

local function sound(held)
  if type(held.bounds) ~= "table" or type(held.counts) ~= "table" then return false end
  if #held.counts ~= #held.bounds + 1 or not finite(held.sum) then return false end
  for i, bound in ipairs(held.bounds) do
    if not finite(bound) or (i > 1 and bound <= held.bounds[i - 1]) then return false end
  end
  for _, count in ipairs(held.counts) do
    if not finite(count) then return false end
  end
  return true
end

-- Counts of other bounds go to the first bound at or above their own: never into too small a bucket.
local function fold(counts, bounds, more_counts, more_bounds)
  local j = 1
  for i, count in ipairs(more_counts) do
    local bound = more_bounds[i]
    while j <= #bounds and (not bound or bounds[j] < bound) do j = j + 1 end
    counts[j] = counts[j] + count
  end
end

local function histogram_json(bounds, counts, sum, since)
  local count = 0
  for i = 1, #counts do count = count + counts[i] end
  if not finite(sum) then return nil, "value" end
  return '{"bounds":[' .. bounds .. '],"counts":[' .. joined(counts) .. '],"sum":' .. text(sum)
    .. ',"count":' .. text(count) .. ',"created":' .. since .. updated
end

local HISTOGRAM = '^{"bounds":%[([^%]]*)%],"counts":%[([%d,]+)%],"sum":([%d.e+-]+),'
  .. '"count":%d+,"created":([%d.]+),"updated":[%d.]+}$'

local function histogram(json, bounds, counts, sum)
  if bounds == "-" then bounds = "" end
  counts = numbers(counts)
  if not json then return histogram_json(bounds, counts, tonumber(sum), now_text) end
  local held_bounds, held_counts, held_sum, since = match(json, HISTOGRAM)
  if held_bounds == bounds then
    held_counts = numbers(held_counts)
    if #held_counts ~= #counts or not tonumber(held_sum) then return nil, "bounds" end
    for i = 1, #counts do held_counts[i] = held_counts[i] + counts[i] end
    return histogram_json(bounds, held_counts, held_sum + sum, since)
  end
  local held = decode(json)
  if not held then return nil, "json" end
  if not sound(held) then return nil, "bounds" end
  fold(held.counts, held.bounds, counts, numbers(bounds))
  local result, reason = histogram_json(joined(held.bounds), held.counts, held.sum + sum, created(held))
  return result, reason, joined(held.bounds) ~= bounds
end

local MERGE = {counter = counter, gauge = gauge, shared = shared, histogram = histogram}

-- Read and check everything ----------------------------------------------------

local function read_all()
  local keys = {}
  for i = FIRST_SERIES, #KEYS do keys[#keys + 1] = KEYS[i] end
  return #keys > 0 and call("MGET", unpack(keys)) or {}
end

local writes, skipped, folded = {}, {}, {}
for i, held in ipairs(read_all()) do
  local key, json, reason, was_folded = KEYS[FIRST_SERIES + i - 1], nil, nil, false
  -- MGET has nothing to say of a list or a hash.
  if not held and call("EXISTS", key) == 1 then
    reason = "wrongtype"
  else
    local kind, a, b, c = match(ARGV[FIRST_OPERATION + i - 1], "^(%S+) (%S+) ?(%S*) ?(%S*)$")
    json, reason, was_folded = MERGE[kind](held, a, b, c)
  end
  if json then
    writes[#writes + 1] = {key, json}
  else
    skipped[#skipped + 1] = key
    skipped[#skipped + 1] = reason
  end
  if was_folded then folded[#folded + 1] = key end
end
local metadata = {}
for name, entry in pairs(cjson.decode(METADATA)) do
  metadata[#metadata + 1] = name
  metadata[#metadata + 1] = cjson.encode(entry)
end

-- Write ------------------------------------------------------------------------

call("HSETNX", STATE, "epoch", epoch)
if #writes > 0 then
  -- One version per series, so that a reader's page may end between any two of them.
  local version = call("HINCRBY", STATE, "version", #writes) - #writes
  local scores = {}
  for i, write in ipairs(writes) do
    call("SET", write[1], write[2], "PX", TTL)
    scores[2 * i - 1] = format("%.0f", version + i)
    scores[2 * i] = write[1]
  end
  call("ZADD", INDEX, unpack(scores))
end
if #metadata > 0 then call("HSET", META, unpack(metadata)) end
call("SET", FENCE, ARGV[1], "PX", FENCE_TTL)

-- Living writers refresh their series, so those of the dead gather at the old end of the index.
for _, key in ipairs(call("ZRANGE", INDEX, 0, EXPIRED_PER_CALL - 1)) do
  if call("EXISTS", key) == 0 then call("ZREM", INDEX, key) end
end
return {"applied", epoch, ARGV[1], skipped, folded, fence and "1" or ""}
