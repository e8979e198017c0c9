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
