-- redis-exporter.lua: read the series of one prefix as Prometheus samples. It writes nothing.
--
-- Two ways to call it:
--
-- 1. The stock redis_exporter, or a person:  redis-cli EVAL "$(cat lua/redis-exporter.lua)" 0
--    KEYS  none, ARGV ignored: all series in the index of the prefix "metrics".
--    Returns  a flat list {sample, value, sample, value, …}, all of it text, every value one that Go can parse;
--             last come labkit_sidecar_series and labkit_sidecar_series_skipped{reason="…"}.
--
-- 2. labkit's exporter, with EVALSHA_RO.
--    KEYS  1  <prefix>.state   hash: epoch, version
--          2  <prefix>.index   zset: series key -> version of its last change
--          3… read: one key per series
--    ARGV  1  page | read
--          2  page: the epoch that the caller knows, or ""
--          3  page: the version that the caller has reached
--          4  page: the most series to return
--    Returns  page: {epoch, version, key, ms, JSON, key, ms, JSON, …}
--          version  the version reached: ask for what came since, next time
--          ms       ms to live; -2: the series is gone; -1: for ever
--          JSON     as it is held; false if the key holds no string. What labkit wrote, its caller can expose without
--                   the server's help; for anything else it asks with read.
--             read: {entry, entry, …}
--          entry    {key, ms, lines, created, p50, p95, p99}: text ready to expose, the last three of a histogram
--                   only; when it was created, s, or ""
--                   {key, ms, false, reason}: a series that cannot be read; reasons below
--          ms       ms for which the entry holds (then read it again), or as above
--    A caller whose epoch or version is not of this server's past is given everything from the start;
--    it sees that by an epoch other than its own, or a version below its own.
--
-- Reasons: wrongtype, json, value, bounds, counts, labels, name, kind.

local call, format, match = redis.call, string.format, string.match
local QUANTILES = {{"p50", 0.50}, {"p95", 0.95}, {"p99", 0.99}}

-- Numbers ---------------------------------------------------------------------

local function finite(n)
  return type(n) == "number" and n == n and n ~= math.huge and n ~= -math.huge
end

-- The shortest text that reads back as the same double. NaN is spelled here: Lua's own "-nan" stops Go's parser.
local function text(n)
  if n ~= n then return "NaN" end
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
    -- What is no number must not leave a hole in the list.
    result[n] = tonumber(word) or 0 / 0
  end
  return result
end

-- PromQL's histogram_quantile, over the whole life of the series.
local function quantile(q, bounds, counts, count)
  if count == 0 or #bounds == 0 then return 0 / 0 end
  local rank, below = q * count, 0
  for i, bound in ipairs(bounds) do
    if below + counts[i] >= rank then
      if i == 1 and bound <= 0 then return bound end
      local start = i > 1 and bounds[i - 1] or 0
      return start + (bound - start) * ((rank - below) / counts[i])
    end
    below = below + counts[i]
  end
  return bounds[#bounds]
end

-- Keys ------------------------------------------------------------------------

local function valid_utf8(s)
  if not s:find("[\128-\255]") then return true end
  local i, n = 1, #s
  while i <= n do
    local a, b, c, d = s:byte(i, i + 3)
    local function tail(x) return x and x >= 128 and x < 192 end
    if a < 128 then i = i + 1
    elseif a >= 194 and a < 224 and tail(b) then i = i + 2
    elseif a >= 224 and a < 240 and tail(b) and tail(c)
      and not (a == 224 and b < 160) and not (a == 237 and b > 159) then i = i + 3
    elseif a >= 240 and a < 245 and tail(b) and tail(c) and tail(d)
      and not (a == 240 and b < 144) and not (a == 244 and b > 143) then i = i + 4
    else return false end
  end
  return true
end

local ESCAPES = {["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n"}

-- Only what a key cannot hold is encoded, in capitals: written otherwise, two keys could name one series.
local function decoded(hex)
  local char = string.char(tonumber(hex, 16))
  return hex == hex:upper() and char:find("[%%,%c]") and char
end

local function label_value(encoded)
  local value, escapes, sound = encoded, 0, 0
  if value:find("%", 1, true) then
    escapes = select(2, value:gsub("%%", ""))
    value = value:gsub("%%(%x%x)", function(hex)
      local char = decoded(hex)
      if char then sound = sound + 1 end
      return char or nil
    end)
  end
  if sound < escapes then return nil end
  if value:find("%z") or not valid_utf8(value) then return nil end
  return (value:gsub('[\\"\n]', ESCAPES))
end

-- "endpoint=/a,method=GET" -> 'endpoint="/a",method="GET"', or nil. Labels not in order could name one series twice.
local function labels_of(encoded)
  local labels, previous = {}, ""
  for pair in (encoded .. ","):gmatch("(.-),") do
    local name, rest = pair:match("^([a-zA-Z_][a-zA-Z0-9_]*)=(.+)$")
    local value = name and label_value(rest)
    if not value or name <= previous or name:sub(1, 2) == "__" or name == "le" or name == "quantile" then return nil end
    labels[#labels + 1] = name .. '="' .. value .. '"'
    previous = name
  end
  return table.concat(labels, ",")
end

local function parse(key)
  local kind, rest = key:match("^[^:]*:([^:]*):(.*)$")
  if kind ~= "counter" and kind ~= "gauge" and kind ~= "histogram" then return nil, "kind" end
  local name, encoded = rest:match("^([a-zA-Z_][a-zA-Z0-9_]*):(.+)$")
  if not name then
    name = rest:match("^[a-zA-Z_][a-zA-Z0-9_]*$")
    return name and {kind = kind, name = name, labels = ""}, "name"
  end
  local labels = labels_of(encoded)
  return labels and {kind = kind, name = name, labels = labels}, "labels"
end

-- Samples: one function per kind, (series, JSON, now) -> samples, or nil and a reason ------------------------
-- Samples are a flat list {sample, value, …}; a series' quantiles come last, one pair each. JSON that labkit wrote is
-- taken apart by patterns, which is several times as fast as cjson; all other is decoded.

local function decode(json)
  local decoded, held = pcall(cjson.decode, json)
  if decoded and type(held) == "table" then return held end
end

-- Whether there is nothing between a value and what follows it, or only what a double cannot hold of it.
local function plain(extra)
  return extra == "" or (extra and match(extra, '^,"carry":[%d.e+-]+$'))
end

local function braces(labels)
  return labels == "" and "" or "{" .. labels .. "}"
end

local function counter(series, json)
  local value, extra = match(json, '^{"value":([%d.e+-]+)(.-),"created":[%d.]+,"updated":[%d.]+}$')
  value = plain(extra) and tonumber(value)
  if not value then
    local held = decode(json)
    if not held then return nil, "json" end
    value = held.value
  end
  if not finite(value) or value < 0 then return nil, "value" end
  return {series.name .. braces(series.labels), text(value)}
end

local REDUCE = {
  sum = function(a, b) return a + b end,
  min = math.min,
  max = math.max,
}

-- A writer whose lease has ended no longer counts. Returns the value, nil if no writer is left, and when the next
-- lease ends, s; false if the leases make no sense.
local function reduce(held, now)
  local value, next_end
  for _, entry in pairs(held.writers) do
    if type(entry) ~= "table" or not finite(entry[1]) or not finite(entry[2]) then return false end
    if entry[2] > now then
      value = value and REDUCE[held.shared](value, entry[1]) or entry[1]
      next_end = math.min(next_end or entry[2], entry[2])
    end
  end
  return value, next_end
end

local function gauge(series, json, now)
  local held = decode(json)
  if not held then return nil, "json" end
  local value, holds_until = held.value, nil
  if held.shared ~= nil then
    if not REDUCE[held.shared] or type(held.writers) ~= "table" then return nil, "value" end
    value, holds_until = reduce(held, now)
    -- All leases have ended: gone. Nobody holds anything, yet or any more: what the writer made of that.
    if value == nil and next(held.writers) then return {} end
    if value == nil then value = held.value end
  end
  if not finite(value) then return nil, "value" end
  return {series.name .. braces(series.labels), text(value)}, holds_until
end

local function check_bounds(bounds)
  if type(bounds) ~= "table" then return "bounds" end
  for i = 1, #bounds do
    if not finite(bounds[i]) or (i > 1 and bounds[i] <= bounds[i - 1]) then return "bounds" end
  end
end

local function check_counts(counts, bounds)
  if type(counts) ~= "table" or #counts ~= #bounds + 1 then return "counts" end
  for i = 1, #counts do
    if not finite(counts[i]) or counts[i] < 0 or counts[i] % 1 ~= 0 then return "counts" end
  end
end

-- Most series share their bounds: text of the bounds -> {bounds, "5", "10", …, "+Inf"}, checked once.
local known_bounds = {}

local function bounds_of(key, list)
  local known = known_bounds[key]
  if known then return known end
  local bounds = list or numbers(key)
  known = {reason = check_bounds(bounds), bounds = bounds, le = {}}
  if not known.reason then
    for i, bound in ipairs(bounds) do known.le[i] = 'le="' .. text(bound) .. '"}' end
    known.le[#bounds + 1] = 'le="+Inf"}'
  end
  known_bounds[key] = known
  return known
end

local HISTOGRAM = '^{"bounds":%[([%d.,e+-]*)%],"counts":%[([%d,]+)%],"sum":([%d.e+-]+)(.-),'
  .. '"count":%d+,"created":[%d.]+,"updated":[%d.]+}$'

-- JSON -> what bounds_of returns, counts, sum; nil and a reason.
local function read_histogram(json)
  local key, counts, sum, extra = match(json, HISTOGRAM)
  if plain(extra) then return bounds_of(key), numbers(counts), tonumber(sum) end
  local held = decode(json)
  if not held then return nil, "json" end
  if type(held.bounds) ~= "table" then return nil, "bounds" end
  return bounds_of(held, held.bounds), held.counts, held.sum
end

local function histogram(series, json)
  local known, counts, sum = read_histogram(json)
  if not known then return nil, counts end
  local reason = known.reason or check_counts(counts, known.bounds)
  if reason then return nil, reason end
  if not finite(sum) then return nil, "value" end
  local name, tail, count = series.name, braces(series.labels), 0
  local bucket = name .. "_bucket{" .. series.labels .. (series.labels == "" and "" or ",")
  local samples, n = {}, 0
  for i = 1, #counts do
    count = count + counts[i]
    if not finite(count) then return nil, "counts" end
    samples[n + 1], samples[n + 2] = bucket .. known.le[i], text(count)
    n = n + 2
  end
  samples[n + 1], samples[n + 2] = name .. "_sum" .. tail, text(sum)
  samples[n + 3], samples[n + 4] = name .. "_count" .. tail, text(count)
  n = n + 4
  for _, q in ipairs(QUANTILES) do
    samples[n + 1] = name .. "_" .. q[1] .. tail
    samples[n + 2] = text(quantile(q[2], known.bounds, counts, count))
    n = n + 2
  end
  return samples
end

local SAMPLES_OF = {counter = counter, gauge = gauge, histogram = histogram}

-- key -> samples, kind, holds_until, created; {} when the series is gone; nil, reason when it cannot be read.
local function read(key, now)
  local series, reason = parse(key)
  if not series then return nil, reason end
  local reply = redis.pcall("GET", key)
  if type(reply) == "table" then return nil, "wrongtype" end
  if not reply then return {}, series.kind end
  local samples, more = SAMPLES_OF[series.kind](series, reply, now)
  if not samples then return nil, more end
  return samples, series.kind, more, match(reply, '"created":([%d.]+)') or ""
end

local function clock()
  local time = call("TIME")
  return time[1] + time[2] / 1000000
end

-- 1. Everything, flat -----------------------------------------------------------

local function everything(index)
  local flat, held, skipped, now = {}, 0, {}, clock()
  for _, key in ipairs(call("ZRANGE", index, 0, -1)) do
    local samples, reason = read(key, now)
    if samples then
      for _, item in ipairs(samples) do flat[#flat + 1] = item end
      if #samples > 0 then held = held + 1 end
    else
      skipped[reason] = (skipped[reason] or 0) + 1
    end
  end
  flat[#flat + 1] = "labkit_sidecar_series"
  flat[#flat + 1] = text(held)
  for reason, n in pairs(skipped) do
    flat[#flat + 1] = 'labkit_sidecar_series_skipped{reason="' .. reason .. '"}'
    flat[#flat + 1] = text(n)
  end
  return flat
end

-- 2. Entries ----------------------------------------------------------------------

local function lines(samples, first, last)
  local out, n = {}, 0
  for i = first, last, 2 do
    out[n + 1], out[n + 2], out[n + 3], out[n + 4] = samples[i], " ", samples[i + 1], "\n"
    n = n + 4
  end
  return table.concat(out)
end

local function entry(key, now)
  local samples, kind, holds_until, created = read(key, now)
  local ms = call("PTTL", key)
  if not samples then return {key, ms, false, kind} end
  if #samples == 0 then return {key, -2, ""} end
  if holds_until then ms = math.ceil(math.min(ms < 0 and math.huge or ms, (holds_until - now) * 1000)) end
  if kind ~= "histogram" then return {key, ms, lines(samples, 1, #samples), created} end
  local made, body = {key, ms}, #samples - 2 * #QUANTILES
  made[3], made[4] = lines(samples, 1, body), created
  for i = 1, #QUANTILES do made[4 + i] = lines(samples, body + 2 * i - 1, body + 2 * i) end
  return made
end

local function page(state, index, known_epoch, since, limit)
  local epoch, version = call("HGET", state, "epoch") or "", tonumber(call("HGET", state, "version") or 0)
  if epoch ~= known_epoch or since > version then since = 0 end
  local changed = call("ZRANGEBYSCORE", index, "(" .. text(since), "+inf", "WITHSCORES", "LIMIT", 0, limit)
  local keys, reply = {}, {epoch, text(version)}
  for i = 1, #changed, 2 do keys[#keys + 1] = changed[i] end
  local held = #keys > 0 and call("MGET", unpack(keys)) or {}
  for i, key in ipairs(keys) do
    reply[3 * i], reply[3 * i + 1], reply[3 * i + 2] = key, call("PTTL", key), held[i]
  end
  if #keys == limit then reply[2] = changed[#changed] end
  return reply
end

local function named(keys)
  local reply, now = {}, clock()
  for i = 3, #keys do reply[#reply + 1] = entry(keys[i], now) end
  return reply
end

if ARGV[1] == "page" then return page(KEYS[1], KEYS[2], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])) end
if ARGV[1] == "read" then return named(KEYS) end
return everything("metrics.index")
