-- Shared gauges: the writers' entries, by value, and their leases, by time, in two keys beside the series, so that none
-- costs more among many writers.

local leases_left, NONE = LEASES_PER_CALL, {}

-- How many entries there are, and whether they belong to what is held, rather than to another life of the series; nil
-- and a reason.
local function count_entries(held, entries, leases)
  local n, leased = try_call("ZCARD", entries), try_call("ZCARD", leases)
  if type(n) == "table" then return nil, wrong_type(n) end
  if type(leased) == "table" then return nil, wrong_type(leased) end
  return n, n == leased and n == held.writers
end

-- The writers whose leases have ended, others than this one, and what they held.
local function dead_writers(entries, leases)
  local dead = {}
  for _, writer in ipairs(checked_call("ZRANGE", leases, "-inf", text(now), "BYSCORE", "LIMIT", 0, leases_left)) do
    if writer ~= ENTRY then dead[#dead + 1] = writer end
  end
  leases_left = leases_left - #dead
  return dead, #dead > 0 and checked_call("ZMSCORE", entries, unpack(dead)) or NONE
end

-- Of some entries, by value, those of living writers other than this one.
local function living(entries, from, to, dead)
  local values, without = {}, {[ENTRY] = true}
  for _, writer in ipairs(dead) do without[writer] = true end
  local some = checked_call("ZRANGE", entries, from, to, "WITHSCORES")
  for i = 1, #some, 2 do
    if not without[some[i]] then values[#values + 1] = tonumber(some[i + 1]) end
  end
  return values
end

-- The least or the greatest of what is held, own value included.
local function extreme(how, entries, own, dead)
  local least, value = how == "min", own
  for _, other in ipairs(living(entries, least and 0 or -2 - #dead, least and #dead + 1 or -1, dead)) do
    if not value or least == (other < value) then value = other end
  end
  return value
end

-- The sum without what goes and with what comes, in this order: both may be more than a double can hold.
local function new_sum(held, entries, own, before, dead, held_by_dead)
  local value, carry = add_exactly(held.value, held.carry, -before)
  local greatest = math.abs(before)
  for _, gone in ipairs(held_by_dead) do
    value, carry = add_exactly(value, carry, -(gone or 0))
    greatest = math.max(greatest, math.abs(gone or 0))
  end
  -- Beside a number so great, the others may have been lost.
  if not (greatest < 2 ^ 53) and held.writers <= leases_left then
    leases_left, value, carry = leases_left - held.writers, 0, 0
    for _, other in ipairs(living(entries, 0, -1, dead)) do value, carry = add_exactly(value, carry, other) end
  end
  return add_exactly(value, carry, own)
end

-- Among the entries of others: how many there are now, the value, its carry, the entry before and the dead.
local function among_others(held, how, own, entries, leases)
  local before = checked_call("ZSCORE", entries, ENTRY)
  local dead, held_by_dead = dead_writers(entries, leases)
  local n, value, carry = held.writers - #dead - (before and 1 or 0) + (own and 1 or 0), 0, 0
  if own and n == 1 then
    value = own
  elseif n > 0 and how == "sum" then
    value, carry = new_sum(held, entries, own or 0, before or 0, dead, held_by_dead)
  elseif n > 0 then
    value = extreme(how, entries, own, dead) or 0
  end
  return n, value, carry, before, dead
end

-- Return what to write, or nil and a reason.
local function shared(json, operation, entries, leases)
  local how, own = operation[3], operation[4]
  local held, reason = {created = now_text, writers = 0}, nil
  if json then held, reason = read_value(json) end
  if not held then return nil, reason end
  local counted, sound = count_entries(held, entries, leases)
  if not counted then return nil, sound end
  if held.how and held.how ~= how and held.writers > 0 then return nil, "shared" end
  local n, value, carry, before, dead, late, lease = own and 1 or 0, own or 0, 0, nil, NONE, NONE, LEASE
  local fresh = not sound or held.how ~= how
  if not fresh then
    n, value, carry, before, dead = among_others(held, how, own, entries, leases)
    lease = math.max(held.lease, LEASE)
    -- The server's clock was set back: nobody's lease is longer than the longest.
    late = checked_call("ZRANGE", leases, "(" .. text(now + lease), "+inf", "BYSCORE", "LIMIT", 0, SWEPT_PER_STEP)
  end
  if not finite(value) then return nil, "value" end
  local as = format('"combine":"%s","writers":%d,"lease":%s,', how, n, text(lease))
  return {
    json = '{"value":' .. text(value) .. carried(carry) .. "," .. as .. '"created":' .. held.created .. updated,
    -- With its last lease the series ends, unless a writer lives that holds nothing.
    ms = n > 0 and math.min(lease * 1000, TTL) or TTL,
    entries = entries, leases = leases, own = own, before = before, dead = dead, fresh = fresh, late = late, lease = lease,
  }
end
