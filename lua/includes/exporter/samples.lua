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
