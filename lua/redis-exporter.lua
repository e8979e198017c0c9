-- redis-exporter.lua: read the series of one prefix, as they are held or as Prometheus samples. It writes nothing.
--
-- Two ways to call it:
--
-- 1. The stock redis_exporter, or a person:  redis-cli EVAL "$(cat lua/redis-exporter.lua)" 0
--    KEYS  none, ARGV ignored: all series in the index of the prefix "metrics".
--    Returns  a flat list {sample, value, sample, value, …}, all of it text, every value one that Go can parse, no
--             sample twice; last come labkit_sidecar_series and labkit_sidecar_series_skipped{reason="…"}.
--
-- 2. labkit's exporter, with EVALSHA_RO. It passes on what is held; labkit/sidecar/judging.py says what that is worth.
--    KEYS  1  <prefix>.state   hash: epoch, version
--          2  <prefix>.index   zset: series key -> version of its last change
--          3… read: one key per series; meta: <prefix>.meta, hash: metric name -> JSON
--    ARGV  1  changed | all | read | meta
--          2  changed, all: after this version
--          3  changed, all: the most series to return
--          2… meta: one name per metric
--    Returns  changed, all: {epoch, version, reached, key, ms, JSON, key, ms, JSON, …}
--             changed has the series up to the server's version. all has those beyond it, too: after a loss of
--             <prefix>.state, versions begin anew, and the index still has greater ones.
--          version  the server's
--          reached  the version of the last series returned: ask for those after it, or "" if there are no more
--          key      one that is too long ends after one byte more than it may have
--          ms       ms to live; -2: the series is gone; -1: forever, or not asked
--          JSON     as it is held; or {reason}: wrongtype, length or prefix
--             read: {key, ms, JSON, …}, for as many of the keys as fit into a short call: ask again for the others
--             meta: {JSON, …}, for as many of the names; false for what is not there or too long
--    A caller that finds an epoch other than its own, or a version below its own, knows a past that is not this
--    server's: it begins with all, after version 0, and goes on with what changed since the first version it was given.
--
-- Reasons: length, prefix, kind, name, labels, wrongtype, json, value, bounds, counts, in this order; and conflict: of
-- families that claim one name, the first in alphabetical order has it; of one name, histogram before counter before
-- gauge.
--
-- The server does nothing else meanwhile, and anybody may have written what is read here: every length is bounded
-- before a pattern sees the text, and no pattern takes more than a few steps per byte.

-- Made by `make lua` from lua/commands/ and lua/includes/: change it there.

local call, try_call, format = redis.call, redis.pcall, string.format
local match, gmatch, gsub, find, sub = string.match, string.gmatch, string.gsub, string.find, string.sub
local QUANTILES = {{"p50", 0.50}, {"p95", 0.95}, {"p99", 0.99}}
-- In bytes: what a series may have of a key and of text on the page; what ends a reply. And in buckets.
local LONGEST_KEY, LONGEST_TEXT, REPLY_BYTES, MOST_BUCKETS = 8 * 1024, 256 * 1024, 256 * 1024, 1000
-- Members of the index that are asked for at a time: nobody knows how long they are.
local LISTED = 50

local function refuse(reply)
  error(reply.err, 0)
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

-- What the key of a series says: kind, name and labels, as Prometheus writes them.

-- Byte by byte, as Python compares: Lua's own `<` follows the locale in which the server was started.
local function before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = a:byte(i), b:byte(i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- What is not ASCII in UTF-8. Each pattern begins with bytes that no other has, and that nothing continues with.
local SEQUENCES = {
  "[\194-\223][\128-\191]", "[\225-\236\238\239][\128-\191][\128-\191]", "\224[\160-\191][\128-\191]",
  "\237[\128-\159][\128-\191]", "[\241-\243][\128-\191][\128-\191][\128-\191]",
  "\240[\144-\191][\128-\191][\128-\191]", "\244[\128-\143][\128-\191][\128-\191]",
}

local function valid_utf8(s)
  for _, sequence in ipairs(SEQUENCES) do
    if not find(s, "[\128-\255]") then return true end
    -- Not by nothing: what then stood side by side could look like a sequence.
    s = gsub(s, sequence, ".")
  end
  return not find(s, "[\128-\255]")
end

local ESCAPES = {["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n"}

-- Only what a key cannot hold is encoded, in uppercase: otherwise, two keys could name one series.
local DECODED, REMOVED = {}, {}
for byte = 1, 127 do
  local char, encoded = string.char(byte), format("%%%02X", byte)
  if find(char, "[%%,%c]") then DECODED[encoded], REMOVED[encoded] = char, "" end
end

local function label_value(encoded)
  if not find(encoded, '[\\"%%]') then return encoded end
  if find(gsub(encoded, "%%%x%x", REMOVED), "%%") then return nil end
  return (gsub(gsub(encoded, "%%%x%x", DECODED), '[\\"\n]', ESCAPES))
end

-- "endpoint=/a,method=GET" -> 'endpoint="/a",method="GET"', or nil. Labels out of order could name one series twice.
local function labels_of(encoded)
  local labels, previous = {}, ""
  if find(encoded, "%c") or not valid_utf8(encoded) then return nil end
  for pair in gmatch(encoded .. ",", "([^,]*),") do
    local name, rest = match(pair, "^([a-zA-Z_][a-zA-Z0-9_]*)=(.+)$")
    local value = name and label_value(rest)
    if not value or not before(previous, name) then return nil end
    if sub(name, 1, 2) == "__" or name == "le" or name == "quantile" then return nil end
    labels[#labels + 1] = name .. '="' .. value .. '"'
    previous = name
  end
  return table.concat(labels, ",")
end

local function parse(key, prefix)
  if #key > LONGEST_KEY then return nil, "length" end
  if not has_prefix(key, prefix) then return nil, "prefix" end
  local kind, rest = match(key, "^([^:]*):(.*)$", #prefix + 1)
  if kind ~= "counter" and kind ~= "gauge" and kind ~= "histogram" then return nil, "kind" end
  local name, encoded = match(rest, "^([a-zA-Z_][a-zA-Z0-9_]*):(.+)$")
  if not name then
    name = match(rest, "^[a-zA-Z_][a-zA-Z0-9_]*$")
    return name and {kind = kind, name = name, labels = ""}, "name"
  end
  local labels = labels_of(encoded)
  return labels and {kind = kind, name = name, labels = labels}, "labels"
end

-- The fields of the JSON that a series has.

-- One value of an object, by its first byte, and what comes after it.
local AFTER = "%s*([,}])%s*()"
local TEXT = "^([%w.+-]+)" .. AFTER
local TEXTS = {['"'] = '^("[^"]*")' .. AFTER, ["["] = "^(%b[])" .. AFTER, ["{"] = "^(%b{})" .. AFTER}

-- '{"value":3,"bounds":[1,2]}' -> {value = "3", bounds = "[1,2]"}, or nil. Nobody looks into what a series has no use
-- for. (cjson would look into everything, and take numbers that no JSON has.)
local function fields(json)
  if find(json, "\\", 1, true) then json = gsub(json, "\\.", "..") end
  local held, at = {}, match(json, "^%s*{%s*()")
  if at and match(json, "^}%s*$", at) then return held end
  while at do
    local name, from = match(json, '^"([^"]*)"%s*:%s*()', at)
    if not name then return nil end
    local value, mark, to = match(json, TEXTS[sub(json, from, from)] or TEXT, from)
    if mark == "}" and to <= #json then return nil end
    held[name], at = value, to
    if mark == "}" then return held end
  end
end

-- Numbers and lists of them: in JSON, and on the page.

-- The finite number of a text, or nil.
local function number(digits)
  local n = digits and match(digits, "^[%d.eE+-]+$") and tonumber(digits)
  return finite(n) and n or nil
end

-- "[5, 10, 25]" -> {5, 10, 25}, or nil.
local function numbers(list)
  local inner, result, n = match(list, "^%[([%d.,eE+%s-]*)%]$"), {}, 0
  if not inner then return nil end
  if not find(inner, "%S") then return result end
  for digits in gmatch(inner .. ",", "([^,]*),") do
    local value = tonumber(digits)
    if not finite(value) then return nil end
    n = n + 1
    result[n] = value
  end
  return result
end

-- How many numbers such a list has at most; 0 if it is none.
local function size(list)
  if not list or not find(list, "^%[%s*[^%s%]]") then return 0 end
  return select(2, gsub(list, ",", "")) + 1
end

-- NaN is spelled here: Lua's own "-nan" stops Go's parser.
local function text(n)
  return n == n and shortest(n) or "NaN"
end

-- As few digits as read back as the same double, with an exponent.
local function scientific(n)
  -- The smallest doubles have fewer digits than the others.
  local few = math.max(0, math.min(14, math.floor(math.log10(math.abs(n)) + 323)))
  for digits = few, 15 do
    local short = format("%." .. digits .. "e", n)
    if tonumber(short) == n then return short end
  end
  -- Below a power of two, doubles lie closer together: there, the text above the nearest may do where that does not.
  local long = format("%.16e", n)
  local above = gsub(long, "(%d)%de", function(digit) return digit + 1 .. "e" end)
  return tonumber(above) == n and above or long
end

-- A bound as Prometheus 3 writes it, whatever text it was given: 10 -> "10.0", 1234567 -> "1.234567e+06".
local function le(n)
  if n == 0 then return "0.0" end
  local short = gsub(scientific(n), "%.?0*e", "e")
  local exponent, fraction = tonumber(match(short, "e(.+)")), match(short, "%.(%d+)") or ""
  if exponent < -4 or exponent > 5 then return short end
  return format("%." .. math.max(1, #fraction - exponent) .. "f", n)
end

-- Samples: one function per kind, (series, fields) -> samples, or nil and a reason
-- Samples are a flat list {sample, value, …}.

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

local function braces(labels)
  return labels == "" and "" or "{" .. labels .. "}"
end

local function gauge(series, held)
  local value = number(held.value)
  if not value then return nil, "value" end
  return {series.name .. braces(series.labels), text(value)}
end

local function counter(series, held)
  local value = number(held.value)
  if not value or value < 0 then return nil, "value" end
  return gauge(series, held)
end

-- Most series share their bounds: their text -> {bounds, le = {'le="5.0"}', …}}, checked once; or false.
local known_bounds = {}

local function bounds_of(list)
  local known = known_bounds[list]
  if known ~= nil then return known end
  local bounds, labels = numbers(list), {}
  for i = 1, bounds and #bounds or 0 do
    if i > 1 and bounds[i] <= bounds[i - 1] then bounds = nil break end
    labels[i] = 'le="' .. le(bounds[i]) .. '"}'
  end
  labels[#labels + 1] = 'le="+Inf"}'
  known_bounds[list] = bounds and {bounds = bounds, le = labels} or false
  return known_bounds[list]
end

-- The counts and their sum, if they are whole numbers that a double can count; or nil.
local function counts_of(list)
  local counts, count = numbers(list), 0
  for i = 1, counts and #counts or 0 do
    if counts[i] < 0 or counts[i] % 1 ~= 0 then return nil end
    count = count + counts[i]
  end
  if count < 2 ^ 53 then return counts, count end
end

-- JSON's fields -> bounds, counts, count, sum; nil and a reason.
local function read_histogram(series, held)
  local buckets = size(held.bounds) + 1
  if buckets > MOST_BUCKETS or buckets * (#series.name + #series.labels) > LONGEST_TEXT then return nil, "length" end
  local known = held.bounds and bounds_of(held.bounds)
  if not known then return nil, "bounds" end
  if size(held.counts) ~= buckets then return nil, "counts" end
  local counts, count = counts_of(held.counts)
  if not counts then return nil, "counts" end
  local sum = number(held.sum)
  if not sum then return nil, "value" end
  return known, counts, count, sum
end

local function histogram(series, held)
  local known, counts, count, sum = read_histogram(series, held)
  if not known then return nil, counts end
  local name, tail, below = series.name, braces(series.labels), 0
  local bucket = name .. "_bucket{" .. series.labels .. (series.labels == "" and "" or ",")
  local samples, n = {}, 0
  for i = 1, #counts do
    below = below + counts[i]
    samples[n + 1], samples[n + 2] = bucket .. known.le[i], text(below)
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

-- A field of one of our hashes; false if it is not there, too long, or the hash is none.
local function field_of(key, name)
  local bytes = try_call("HSTRLEN", key, name)
  if type(bytes) == "table" then
    wrong_type(bytes)
    return false
  end
  return bytes <= LONGEST and call("HGET", key, name)
end

-- How long a key beyond our prefix has to live, ms. A user who may not even ask must not lose the page for it.
local function foreign_ms(key)
  local ms = try_call("PTTL", key)
  return type(ms) == "number" and ms or -1
end

-- key -> samples and series; {} when the series is gone; nil and a reason when it cannot be read.
local function read(key, prefix)
  local series, reason = parse(key, prefix)
  if reason == "length" then return nil, reason end
  if reason == "prefix" then return foreign_ms(key) == -2 and {} or nil, reason end
  local json, no = series_at(key)
  if json == "" and call("EXISTS", key) == 0 then return {} end
  if not series then return nil, reason end
  if not json then return nil, no end
  local held = fields(json)
  if not held then return nil, "json" end
  local samples, why = SAMPLES_OF[series.kind](series, held)
  return samples, samples and series or why
end

-- The reply to the stock exporter: everything, flat.

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

local RANK = {histogram = 1, counter = 2, gauge = 3}

-- Only a name and the same name with something behind it can clash: to go from the shorter to the longer gives the same
-- as the alphabet, and does not compare a long name with all others, byte by byte.
local function comes_first(a, b)
  if #a.name ~= #b.name then return #a.name < #b.name end
  return RANK[a.kind] < RANK[b.kind]
end

-- Families without those of which another one before them has a name.
local function without_conflicts(families, skipped)
  local order, taken, kept = {}, {}, {}
  for _, family in pairs(families) do order[#order + 1] = family end
  table.sort(order, comes_first)
  for _, name in ipairs(RESERVED) do taken[name] = true end
  for _, family in ipairs(order) do
    local free = true
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

local function append(list, items)
  local n = #list
  for i = 1, #items do list[n + i] = items[i] end
end

local function everything(prefix)
  local families, skipped = {}, {}
  for _, key in ipairs(call("ZRANGE", prefix .. ".index", 0, -1)) do
    local samples, series = read(key, prefix .. ":")
    if not samples then
      skipped[series] = (skipped[series] or 0) + 1
    elseif #samples > 0 then
      local id = series.kind .. ":" .. series.name
      local family = families[id] or {name = series.name, kind = series.kind, series = 0, samples = {}}
      append(family.samples, samples)
      family.series, families[id] = family.series + 1, family
    end
  end
  local flat, held = {}, 0
  for _, family in ipairs(without_conflicts(families, skipped)) do
    append(flat, family.samples)
    held = held + family.series
  end
  append(flat, {"labkit_sidecar_series", text(held)})
  for reason, n in pairs(skipped) do
    append(flat, {'labkit_sidecar_series_skipped{reason="' .. reason .. '"}', text(n)})
  end
  return flat
end

-- The replies to labkit's sidecar: series as they are held.

-- Adds {key, ms, JSON} to a reply of n items; returns how many bytes that are.
local function pass(reply, n, key, prefix)
  local ms, json, reason = -1
  if #key > LONGEST_KEY then
    key, reason = sub(key, 1, LONGEST_KEY + 1), "length"
  elseif not has_prefix(key, prefix) then
    ms, reason = foreign_ms(key), "prefix"
  else
    ms = call("PTTL", key)
    json, reason = series_at(key)
  end
  reply[n + 1], reply[n + 2], reply[n + 3] = key, ms, json or {reason}
  return #key + (json and #json or 0)
end

-- The epoch and the version of the server; "" and 0 if somebody deleted them.
local function state_of(key)
  return field_of(key, "epoch") or "", tonumber(field_of(key, "version") or 0) or 0
end

local function changes(state, index, prefix, since, limit, all)
  local epoch, version = state_of(state)
  local first, last = "(" .. text(since), all and "+inf" or text(version)
  local reply, listed, bytes = {epoch, text(version), ""}, 0, 0
  while listed < limit do
    local most = math.min(LISTED, limit - listed)
    local some = call("ZRANGEBYSCORE", index, first, last, "WITHSCORES", "LIMIT", "0", most)
    for i = 1, #some, 2 do
      bytes = bytes + pass(reply, 3 * listed + 3 * (i + 1) / 2, some[i], prefix)
      reply[3] = some[i + 1]
      if bytes > REPLY_BYTES then return reply end
    end
    if #some < 2 * most then
      reply[3] = ""
      return reply
    end
    listed, first = listed + most, "(" .. reply[3]
  end
  return reply
end

local function named(keys, prefix)
  local reply, bytes = {}, 0
  for i = 3, #keys do
    bytes = bytes + pass(reply, 3 * (i - 3), keys[i], prefix)
    if bytes > REPLY_BYTES then break end
  end
  return reply
end

local function metadata(key, names)
  local reply, bytes = {}, 0
  for i = 2, #names do
    reply[i - 1] = field_of(key, names[i])
    bytes = bytes + (reply[i - 1] and #reply[i - 1] or 0)
    if bytes > REPLY_BYTES then break end
  end
  return reply
end

local what, prefix = ARGV[1], KEYS[2] and prefix_of(KEYS[2])
if what == "read" then return named(KEYS, prefix) end
if what == "meta" then return metadata(KEYS[3], ARGV) end
if what ~= "changed" and what ~= "all" then return everything("metrics") end
return changes(KEYS[1], KEYS[2], prefix, tonumber(ARGV[2]), tonumber(ARGV[3]), what == "all")
