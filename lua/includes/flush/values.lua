-- Counters and gauges: what Redis holds of one, and what an operation makes of it.

-- Whether so much of what is unusual may be looked at, too.
local function affords(bytes)
  if bytes > unusual_left then return false end
  unusual_left = unusual_left - bytes
  return true
end

-- What JSON of another's holds, or nil and a reason.
local function decode(json)
  if #json > LONGEST_FOREIGN or not affords(#json) then return nil, "length" end
  local decoded, held = pcall(cjson.decode, json)
  if decoded and type(held) == "table" then return held end
  return nil, "json"
end

-- When a series was created, as text: what another one wrote there need not be a time.
local function since(created)
  return finite(created) and created >= 1 and created < 1e11 and format("%.3f", created) or now_text
end

-- The JSON of a value -> {value, carry, created, how it is shared, by how many writers, their longest lease}.
local function foreign_value(json)
  local held, reason = decode(json)
  if not held then return nil, reason end
  if not finite(held.value) then return nil, "value" end
  return {value = held.value, carry = finite(held.carry) and held.carry or 0, created = since(held.created), writers = 0}
end

-- JSON of labkit's is no longer than this; a time in it has 10 digits and 3.
local LONGEST_VALUE, LONGEST_TIME = 256, 15

local function read_value(json)
  if #json <= LONGEST_VALUE then
    local value, after = match(json, '^{"value":([%d.e+-]+)()')
    local carry, after_carry = match(json, '^,"carry":([%d.e+-]+)()', after)
    after = after_carry or after
    local how, writers, lease, after_shared = match(json, '^,"combine":"(%l+)","writers":(%d+),"lease":(%d+%.?%d*)()', after)
    local created = match(json, '^,"created":([1-9]%d*%.%d+),"updated":%d+%.%d+}$', after_shared or after)
    value, carry = tonumber(value), tonumber(carry or 0)
    if created and #created <= LONGEST_TIME and (not lease or #lease <= LONGEST_TIME) and finite(value) and finite(carry) then
      return {
        value = value, carry = carry, created = created,
        how = how, writers = tonumber(writers or 0), lease = tonumber(lease or 0),
      }
    end
  end
  return foreign_value(json)
end

-- The same for a plain value, of which batches are full, without a table: value and created, or nil.
local function plain_value(json)
  if #json > LONGEST_VALUE then return nil end
  local value, created = match(json, '^{"value":([%d.e+-]+),"created":([1-9]%d*%.%d+),"updated":%d+%.%d+}$')
  value = tonumber(value)
  if finite(value) and #created <= LONGEST_TIME then return value, created end
end

local function value_json(value, carry, created)
  if not finite(value) then return nil, "value" end
  return '{"value":' .. text(value) .. carried(carry) .. ',"created":' .. created .. updated
end

-- (JSON that Redis holds or nil, operation) -> JSON, or nil and a reason.
local function counter(json, operation)
  if not json then return value_json(operation[3], 0, now_text) end
  local value, created = plain_value(json)
  local carry = 0
  if not value then
    local held, reason = read_value(json)
    if not held then return nil, reason end
    value, carry, created = held.value, held.carry, held.created
  end
  value, carry = add_exactly(value, carry, operation[3])
  return value_json(value, carry, created)
end

-- The same.
local function gauge(json, operation)
  local add, own, set = operation[3], operation[4], operation[5]
  if not json then return value_json(own, 0, now_text) end
  local value, created = plain_value(json)
  if not value then
    local held, reason = read_value(json)
    if not held then return nil, reason end
    if held.writers > 0 then return nil, "shared" end
    -- What nobody shares any more is held by none.
    if held.how then return value_json(own, 0, held.created) end
    value, created = held.value, held.created
  end
  return value_json((set or value) + add, 0, created)
end
