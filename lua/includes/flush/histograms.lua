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
