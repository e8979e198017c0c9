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
