-- What the key of a series says: kind, name and labels, as Prometheus writes them.

-- Byte by byte, as Python compares: Lua's own `<` follows the locale in which the server was started.
local function before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = a:byte(i), b:byte(i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- What is not ASCII in UTF-8. Each pattern begins with bytes that no other has, and that nothing continues with.
local SEQUENCES = {
  "[\194-\223][\128-\191]", "[\225-\236\238\239][\128-\191][\128-\191]", "\224[\160-\191][\128-\191]",
  "\237[\128-\159][\128-\191]", "[\241-\243][\128-\191][\128-\191][\128-\191]",
  "\240[\144-\191][\128-\191][\128-\191]", "\244[\128-\143][\128-\191][\128-\191]",
}

local function valid_utf8(s)
  for _, sequence in ipairs(SEQUENCES) do
    if not find(s, "[\128-\255]") then return true end
    -- Not by nothing: what then stood side by side could look like a sequence.
    s = gsub(s, sequence, ".")
  end
  return not find(s, "[\128-\255]")
end

local ESCAPES = {["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n"}

-- Only what a key cannot hold is encoded, in uppercase: otherwise, two keys could name one series.
local DECODED, REMOVED = {}, {}
for byte = 1, 127 do
  local char, encoded = string.char(byte), format("%%%02X", byte)
  if find(char, "[%%,%c]") then DECODED[encoded], REMOVED[encoded] = char, "" end
end

local function label_value(encoded)
  if not find(encoded, '[\\"%%]') then return encoded end
  if find(gsub(encoded, "%%%x%x", REMOVED), "%%") then return nil end
  return (gsub(gsub(encoded, "%%%x%x", DECODED), '[\\"\n]', ESCAPES))
end

-- "endpoint=/a,method=GET" -> 'endpoint="/a",method="GET"', or nil. Labels out of order could name one series twice.
local function labels_of(encoded)
  local labels, previous = {}, ""
  if find(encoded, "%c") or not valid_utf8(encoded) then return nil end
  for pair in gmatch(encoded .. ",", "([^,]*),") do
    local name, rest = match(pair, "^([a-zA-Z_][a-zA-Z0-9_]*)=(.+)$")
    local value = name and label_value(rest)
    if not value or not before(previous, name) then return nil end
    if sub(name, 1, 2) == "__" or name == "le" or name == "quantile" then return nil end
    labels[#labels + 1] = name .. '="' .. value .. '"'
    previous = name
  end
  return table.concat(labels, ",")
end

local function parse(key, prefix)
  if #key > LONGEST_KEY then return nil, "length" end
  if not has_prefix(key, prefix) then return nil, "prefix" end
  local kind, rest = match(key, "^([^:]*):(.*)$", #prefix + 1)
  if kind ~= "counter" and kind ~= "gauge" and kind ~= "histogram" then return nil, "kind" end
  local name, encoded = match(rest, "^([a-zA-Z_][a-zA-Z0-9_]*):(.+)$")
  if not name then
    name = match(rest, "^[a-zA-Z_][a-zA-Z0-9_]*$")
    return name and {kind = kind, name = name, labels = ""}, "name"
  end
  local labels = labels_of(encoded)
  return labels and {kind = kind, name = name, labels = labels}, "labels"
end
