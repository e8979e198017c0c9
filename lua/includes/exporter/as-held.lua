-- The replies to labkit's sidecar: series as they are held.

-- Adds {key, ms, JSON} to a reply of n items; returns how many bytes that are.
local function pass(reply, n, key, prefix)
  local ms, json, reason = -1
  if #key > LONGEST_KEY then
    key, reason = sub(key, 1, LONGEST_KEY + 1), "length"
  elseif not has_prefix(key, prefix) then
    ms, reason = foreign_ms(key), "prefix"
  else
    ms = call("PTTL", key)
    json, reason = series_at(key)
  end
  reply[n + 1], reply[n + 2], reply[n + 3] = key, ms, json or {reason}
  return #key + (json and #json or 0)
end

-- The epoch and the version of the server; "" and 0 if somebody deleted them.
local function state_of(key)
  return field_of(key, "epoch") or "", tonumber(field_of(key, "version") or 0) or 0
end

local function changes(state, index, prefix, since, limit, all)
  local epoch, version = state_of(state)
  local first, last = "(" .. text(since), all and "+inf" or text(version)
  local reply, listed, bytes = {epoch, text(version), ""}, 0, 0
  while listed < limit do
    local most = math.min(LISTED, limit - listed)
    local some = call("ZRANGEBYSCORE", index, first, last, "WITHSCORES", "LIMIT", "0", most)
    for i = 1, #some, 2 do
      bytes = bytes + pass(reply, 3 * listed + 3 * (i + 1) / 2, some[i], prefix)
      reply[3] = some[i + 1]
      if bytes > REPLY_BYTES then return reply end
    end
    if #some < 2 * most then
      reply[3] = ""
      return reply
    end
    listed, first = listed + most, "(" .. reply[3]
  end
  return reply
end

local function named(keys, prefix)
  local reply, bytes = {}, 0
  for i = 3, #keys do
    bytes = bytes + pass(reply, 3 * (i - 3), keys[i], prefix)
    if bytes > REPLY_BYTES then break end
  end
  return reply
end

local function metadata(key, names)
  local reply, bytes = {}, 0
  for i = 2, #names do
    reply[i - 1] = field_of(key, names[i])
    bytes = bytes + (reply[i - 1] and #reply[i - 1] or 0)
    if bytes > REPLY_BYTES then break end
  end
  return reply
end
