-- How a series is read: no more of it than it may have, and a key of another type is no error. Whoever includes this
-- has refuse(reply) before it, which ends the script with the error of a call.

-- Bytes of JSON, as in labkit/sidecar/scripts.py.
local LONGEST = 32 * 1024

-- Another type is what a key holds; any other refusal is about the whole call.
local function wrong_type(reply)
  if sub(reply.err, 1, 9) ~= "WRONGTYPE" then refuse(reply) end
  return "wrongtype"
end

-- key -> JSON, "" if there is none; nil and a reason if it cannot be that of a series.
local function series_at(key)
  local json = try_call("GETRANGE", key, "0", "32768")
  if type(json) == "table" then return nil, wrong_type(json) end
  if #json > LONGEST then return nil, "length" end
  return json
end
