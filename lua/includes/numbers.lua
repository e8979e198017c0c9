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
