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
--       8… one operation per series, in the order of KEYS, as JSON:
--            {"kind":"counter","add":n}
--            {"kind":"gauge","set":n (absent: unchanged),"add":n,"own":n}
--            {"kind":"gauge","shared":"sum|min|max","own":n,"lease":s}
--            {"kind":"histogram","bounds":[…],"counts":[…],"sum":n}
--          "own" is the value as this writer knows it. Adding zero refreshes a series, or creates it.
-- Returns  {status, epoch, fence, {key, reason, …}, {key, …}}
--          status  applied    the batch is in Redis now, all but the series skipped
--                  duplicate  it was there already; nothing was done
--                  gap        a batch before this one is missing; nothing was done
--          fence   number of the last batch applied, or "" if the server knows none of this writer
--          4th     series that were skipped, and why: wrongtype, json, value, bounds
--          5th     histograms whose counts were folded into the other bounds that Redis holds
-- Errors   before anything is written, when a key other than a series has the wrong type.
--
-- A script that fails half-way keeps its writes, so everything is read and checked before the first of them.

local call = redis.call
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
  if NUMBER <= fence then return {"duplicate", epoch, tostring(fence), {}, {}} end
  if NUMBER > fence + 1 then return {"gap", epoch, tostring(fence), {}, {}} end
elseif NUMBER ~= OLDEST then
  -- The batch before this one was sent with it and refused: applying this one would fence that one off.
  return {"gap", epoch, "", {}, {}}
end

local clock = call("TIME")
local now = clock[1] + clock[2] / 1000000
local now_text = string.format("%.3f", now)

-- Numbers ---------------------------------------------------------------------

local function finite(n)
  return type(n) == "number" and n == n and n ~= math.huge and n ~= -math.huge
end

-- The shortest text that reads back as the same double; `tostring` would keep 14 digits only.
local function text(n)
  if n == math.floor(n) and math.abs(n) < 2 ^ 53 then return string.format("%.0f", n) end
  local short = string.format("%.15g", n)
  if tonumber(short) == n then return short end
  return string.format("%.17g", n)
end

local function list(numbers)
  local texts = {}
  for i, n in ipairs(numbers) do texts[i] = text(n) end
  return "[" .. table.concat(texts, ",") .. "]"
end

-- One function per kind: (what Redis holds or nil, operation) -> JSON, or nil and a reason ------------

local function created(held)
  return held and finite(held.created) and string.format("%.3f", held.created) or now_text
end

local function counter(held, operation)
  local value = held and held.value or 0
  if not finite(value) or not finite(value + operation.add) then return nil, "value" end
  return string.format('{"value":%s,"created":%s,"updated":%s}', text(value + operation.add), created(held), now_text)
end

local function gauge(held, operation)
  local value
  if operation.set then
    value = operation.set + operation.add
  elseif held then
    if not finite(held.value) then return nil, "value" end
    value = held.value + operation.add
  else
    value = operation.own
  end
  if not finite(value) then return nil, "value" end
  return string.format('{"value":%s,"created":%s,"updated":%s}', text(value), created(held), now_text)
end

local REDUCE = {
  sum = function(a, b) return a + b end,
  min = math.min,
  max = math.max,
}

local function shared_gauge(held, operation)
  local writers = held and held.writers or {}
  if type(writers) ~= "table" then return nil, "value" end
  writers[WRITER] = {operation.own, now + operation.lease}
  local value, entries = nil, {}
  for writer, entry in pairs(writers) do
    if type(entry) ~= "table" or not finite(entry[1]) or not finite(entry[2]) then return nil, "value" end
    if entry[2] > now then
      value = value and REDUCE[operation.shared](value, entry[1]) or entry[1]
      entries[#entries + 1] = string.format("%s:[%s,%.3f]", cjson.encode(writer), text(entry[1]), entry[2])
    end
  end
  table.sort(entries)
  if not finite(value) then return nil, "value" end
  return string.format(
    '{"value":%s,"shared":"%s","writers":{%s},"created":%s,"updated":%s}',
    text(value), operation.shared, table.concat(entries, ","), created(held), now_text
  )
end

local function sound_histogram(held)
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

-- Counts of foreign bounds go to the first bound at or above their own: never into too small a bucket.
local function fold(counts, bounds, operation)
  local j = 1
  for i, count in ipairs(operation.counts) do
    local bound = operation.bounds[i]
    while j <= #bounds and (not bound or bounds[j] < bound) do j = j + 1 end
    counts[j] = counts[j] + count
  end
end

local function same(a, b)
  if #a ~= #b then return false end
  for i = 1, #a do
    if a[i] ~= b[i] then return false end
  end
  return true
end

local function histogram(held, operation)
  local bounds, counts, sum, folded = operation.bounds, operation.counts, operation.sum, false
  if held then
    if not sound_histogram(held) then return nil, "bounds" end
    bounds, counts, sum, folded = held.bounds, held.counts, held.sum + sum, not same(held.bounds, bounds)
    fold(counts, bounds, operation)
  end
  if not finite(sum) then return nil, "value" end
  local count = 0
  for _, n in ipairs(counts) do count = count + n end
  return string.format(
    '{"bounds":%s,"counts":%s,"sum":%s,"count":%s,"created":%s,"updated":%s}',
    list(bounds), list(counts), text(sum), text(count), created(held), now_text
  ), nil, folded
end

local function merge(held, operation)
  if operation.kind == "counter" then return counter(held, operation) end
  if operation.kind == "histogram" then return histogram(held, operation) end
  if operation.shared then return shared_gauge(held, operation) end
  return gauge(held, operation)
end

-- Read and check everything ----------------------------------------------------

local function read(key)
  local reply = redis.pcall("GET", key)
  if type(reply) == "table" then return nil, "wrongtype" end
  if not reply then return nil end
  local decoded, held = pcall(cjson.decode, reply)
  if not decoded or type(held) ~= "table" then return nil, "json" end
  return held
end

local writes, skipped, folded = {}, {}, {}
for i = FIRST_SERIES, #KEYS do
  local key, json, was_folded = KEYS[i], nil, false
  local held, reason = read(key)
  if not reason then
    json, reason, was_folded = merge(held, cjson.decode(ARGV[i - FIRST_SERIES + FIRST_OPERATION]))
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
    scores[2 * i - 1] = string.format("%.0f", version + i)
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
return {"applied", epoch, ARGV[1], skipped, folded}
