-- The names of keys.

-- "metrics.index" -> "metrics:", with which the key of each of its series begins.
local function prefix_of(index)
  return sub(index, 1, -7) .. ":"
end

local function has_prefix(key, prefix)
  return sub(key, 1, #prefix) == prefix
end
