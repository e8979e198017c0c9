-- Living writers refresh their series, so those of the dead are left at the old end of the index. From there on it is
-- swept up to the version that the server had when the sweep began; then another begins.

local swept, goal = state[3], state[4]
local dead_series, PREFIX = {}, prefix_of(INDEX)

local function sweep_from_the_start()
  swept, goal = "-inf", call("ZRANGE", INDEX, -1, -1, "WITHSCORES")[2] or "0"
end

local function sweep()
  local all_dead, some = true, call("ZRANGE", INDEX, "(" .. swept, goal, "BYSCORE", "LIMIT", 0, SWEPT_PER_STEP, "WITHSCORES")
  for i = 1, #some, 2 do
    local key = some[i]
    -- What is no series of this prefix has no business in the index.
    if has_prefix(key, PREFIX) and (call("EXISTS", key) == 1 or call("ZSCORE", REMOVED, key)) then
      all_dead = false
    else
      dead_series[#dead_series + 1] = key
    end
    swept = some[i + 1]
  end
  if #some > 0 then return all_dead end
  local again = swept ~= "-inf"
  sweep_from_the_start()
  return again
end

-- As this script writes it: what Lua takes for a number need not be one for Redis.
local function score_of(held)
  local n = tonumber(held)
  return n and n == n and text(n)
end

swept, goal = score_of(swept), score_of(goal)
if not (swept and goal) then sweep_from_the_start() end
for _ = 1, STEPS_PER_CALL do
  if not sweep() then break end
end
