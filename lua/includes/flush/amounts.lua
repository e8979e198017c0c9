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
