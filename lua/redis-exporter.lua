-- redis-exporter.lua: read the series of one prefix as Prometheus samples. It writes nothing.
--
-- Two ways to call it:
--
-- 1. The stock redis_exporter, or a person:  redis-cli EVAL "$(cat lua/redis-exporter.lua)" 0
--    KEYS  none, ARGV ignored: all series in the index of the prefix "metrics".
--    Returns  a flat list {sample, value, sample, value, …}, all of it text, every value one that Go can parse, no
--             sample twice; last come labkit_sidecar_series and labkit_sidecar_series_skipped{reason="…"}.
--
-- 2. labkit's exporter, with EVALSHA_RO.
--    KEYS  1  <prefix>.state   hash: epoch, version
--          2  <prefix>.index   zset: series key -> version of its last change
--          3… read: one key per series
--    ARGV  1  changed | all | read
--          2  changed, all: after this version
--          3  changed, all: the most series to return
--    Returns  changed, all: {epoch, version, reached, key, ms, JSON, key, ms, JSON, …}
--             changed has the series up to the server's version. all has those beyond it, too: after a loss of
--             <prefix>.state, versions begin anew, and the index still has greater ones.
--          version  the server's
--          reached  the version of the last series returned: ask for those after it, or "" if there are no more
--          ms       ms to live; -2: the series is gone; -1: forever
--          JSON     as it is held; false if the key holds no string, or a longer one than any series. What labkit
--                   wrote, its caller can expose without the server's help; for anything else it asks with read.
--             read: {entry, entry, …}, for as many of the keys as fit into a short call: ask again for the others
--          entry    {key, ms, lines, created, p50, p95, p99}: text ready to expose, the last three of a histogram
--                   only; when it was created, s, or ""
--                   {key, ms, false, reason}: a series that cannot be read; reasons below
--          ms       ms for which the entry holds (then read it again), or as above
--    A caller that finds an epoch other than its own, or a version below its own, knows a past that is not this
--    server's: it begins with all, after version 0, and goes on with what changed since the first version it was given.
--
-- Reasons: wrongtype, length, json, value, bounds, counts, labels, name, kind, prefix; and conflict: of families that
-- claim one name, the first in alphabetical order has it; of one name, histogram before counter before gauge.

local call, format, match = redis.call, string.format, string.match
local QUANTILES = {{"p50", 0.50}, {"p95", 0.95}, {"p99", 0.99}}
-- A call blocks the server: longer JSON cannot be a series, and these end a reply. In bytes, and in samples.
local LONGEST, REPLY_BYTES, REPLY_SAMPLES = 32 * 1024, 256 * 1024, 1600

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
    -- What is not a number must not leave a hole in the list.
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

-- Byte by byte, as Python compares: Lua's own `<` follows the locale in which the server was started.
local function before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = a:byte(i), b:byte(i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

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

-- Only what a key cannot hold is encoded, in uppercase: otherwise, two keys could name one series.
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

-- "endpoint=/a,method=GET" -> 'endpoint="/a",method="GET"', or nil. Labels out of order could name one series twice.
local function labels_of(encoded)
  local labels, previous = {}, ""
  for pair in (encoded .. ","):gmatch("(.-),") do
    local name, rest = pair:match("^([a-zA-Z_][a-zA-Z0-9_]*)=(.+)$")
    local value = name and label_value(rest)
    if not value or not before(previous, name) then return nil end
    if name:sub(1, 2) == "__" or name == "le" or name == "quantile" then return nil end
    labels[#labels + 1] = name .. '="' .. value .. '"'
    previous = name
  end
  return table.concat(labels, ",")
end

local function parse(key, prefix)
  if key:sub(1, #prefix + 1) ~= prefix .. ":" then return nil, "prefix" end
  local kind, rest = key:match("^([^:]*):(.*)$", #prefix + 2)
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
-- lease ends, s; false if the leases are invalid.
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
    -- All leases have ended: gone. Nobody holds anything, not yet or no longer: what the writer made of that.
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

-- key -> JSON; "" when there is none; false and a reason when it cannot be the JSON of a series.
local function held_at(key)
  local json = redis.pcall("GETRANGE", key, 0, LONGEST)
  if type(json) == "table" then return false, "wrongtype" end
  if #json > LONGEST then return false, "length" end
  return json
end

-- When the series was created, s, if that is a time at all: what Go cannot parse would cost the whole page.
local function created_of(json)
  local seconds, fraction = match(json, '"created":(%d+)(%.?%d*)[,}]')
  return seconds and #seconds <= 12 and #fraction <= 12 and fraction ~= "." and seconds .. fraction or ""
end

-- key -> samples, series, holds_until, created; {} when the series is gone; nil, reason when it cannot be read.
local function read(key, prefix, now)
  local series, reason = parse(key, prefix)
  if not series then return nil, reason end
  local json, no = held_at(key)
  if not json then return nil, no end
  if json == "" and call("EXISTS", key) == 0 then return {}, series end
  local samples, more = SAMPLES_OF[series.kind](series, json, now)
  if not samples then return nil, more end
  return samples, series, more, created_of(json)
end

local function clock()
  local time = call("TIME")
  return time[1] + time[2] / 1000000
end

-- 1. Everything, flat -----------------------------------------------------------

-- Names on the page beside the series: ours, the exporter's, and what Prometheus itself adds to a target.
local RESERVED = {
  "labkit_sidecar_series", "labkit_sidecar_series_skipped", "redis_up", "up", "scrape_duration_seconds",
  "scrape_samples_scraped", "scrape_samples_post_metric_relabeling", "scrape_series_added",
}
local PARTS = {"_bucket", "_sum", "_count", "_p50", "_p95", "_p99"}

local function names_of(family)
  local names = {family.name}
  if family.kind == "histogram" then
    for _, part in ipairs(PARTS) do names[#names + 1] = family.name .. part end
  end
  return names
end

local RANK = {histogram = "1", counter = "2", gauge = "3"}

-- Families in their order, without those of which another one before them has a name.
local function without_conflicts(families, skipped)
  local order, taken, kept = {}, {}, {}
  for id in pairs(families) do order[#order + 1] = id end
  table.sort(order, before)
  for _, name in ipairs(RESERVED) do taken[name] = true end
  for _, id in ipairs(order) do
    local family, free = families[id], true
    for _, name in ipairs(names_of(family)) do free = free and not taken[name] end
    if free then
      for _, name in ipairs(names_of(family)) do taken[name] = true end
      kept[#kept + 1] = family
    else
      skipped.conflict = (skipped.conflict or 0) + family.series
    end
  end
  return kept
end

local function everything(prefix)
  local families, skipped, now = {}, {}, clock()
  for _, key in ipairs(call("ZRANGE", prefix .. ".index", 0, -1)) do
    local samples, series = read(key, prefix, now)
    if not samples then
      skipped[series] = (skipped[series] or 0) + 1
    elseif #samples > 0 then
      local id = series.name .. ":" .. RANK[series.kind]
      local family = families[id] or {name = series.name, kind = series.kind, series = 0, samples = {}}
      for _, item in ipairs(samples) do family.samples[#family.samples + 1] = item end
      family.series, families[id] = family.series + 1, family
    end
  end
  local flat, held = {}, 0
  for _, family in ipairs(without_conflicts(families, skipped)) do
    for _, item in ipairs(family.samples) do flat[#flat + 1] = item end
    held = held + family.series
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

-- Returns the entry, and how many samples it cost.
local function entry(key, prefix, now)
  local samples, series, holds_until, created = read(key, prefix, now)
  local ms = call("PTTL", key)
  if not samples then return {key, ms, false, series}, 1 end
  if #samples == 0 then return {key, -2, ""}, 1 end
  if holds_until then ms = math.ceil(math.min(ms < 0 and math.huge or ms, (holds_until - now) * 1000)) end
  if series.kind ~= "histogram" then return {key, ms, lines(samples, 1, #samples), created}, 1 end
  local made, body = {key, ms}, #samples - 2 * #QUANTILES
  made[3], made[4] = lines(samples, 1, body), created
  for i = 1, #QUANTILES do made[4 + i] = lines(samples, body + 2 * i - 1, body + 2 * i) end
  return made, #samples / 2
end

-- The epoch and the version of the server; "" and 0 if somebody deleted them.
local function state_of(key)
  local held = redis.pcall("HMGET", key, "epoch", "version")
  return held[1] or "", tonumber(held[2] or 0) or 0
end

local function changes(state, index, since, limit, all)
  local epoch, version = state_of(state)
  local last = all and "+inf" or text(version)
  local changed = call("ZRANGEBYSCORE", index, "(" .. text(since), last, "WITHSCORES", "LIMIT", 0, limit)
  local reply, n, bytes = {epoch, text(version), ""}, 3, 0
  for i = 1, #changed, 2 do
    local key = changed[i]
    local json = held_at(key)
    reply[n + 1], reply[n + 2], reply[n + 3] = key, call("PTTL", key), json
    n, bytes = n + 3, bytes + #key + (json and #json or 0)
    local more = i + 1 < #changed or #changed == 2 * limit
    if bytes > REPLY_BYTES or i + 1 == #changed then
      if more then reply[3] = changed[i + 1] end
      break
    end
  end
  return reply
end

local function named(keys, prefix)
  local reply, now, samples = {}, clock(), 0
  for i = 3, #keys do
    local made, cost = entry(keys[i], prefix, now)
    reply[#reply + 1], samples = made, samples + cost
    if samples >= REPLY_SAMPLES then break end
  end
  return reply
end

local what = ARGV[1]
if what == "changed" or what == "all" then
  return changes(KEYS[1], KEYS[2], tonumber(ARGV[2]), tonumber(ARGV[3]), what == "all")
end
if what == "read" then return named(KEYS, match(KEYS[2], "^(.*)%.index$")) end
return everything("metrics")
