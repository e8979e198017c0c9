-- The reply to the stock exporter: everything, flat.

-- Names on the page beside the series: ours, the exporter's, and what Prometheus itself adds to a target.
local RESERVED = {
  "labkit_sidecar_series", "labkit_sidecar_series_skipped", "redis_up", "up", "scrape_duration_seconds",
  "scrape_samples_scraped", "scrape_samples_post_metric_relabeling", "scrape_series_added",
}
local PARTS = {"_bucket", "_sum", "_count", "_p50", "_p95", "_p99"}

local function names_of(family)
  local names = {family.name}
  if family.kind == "histogram" then
    for _, part in ipairs(PARTS) do names[#names + 1] = family.name .. part end
  end
  return names
end

local RANK = {histogram = 1, counter = 2, gauge = 3}

-- Only a name and the same name with something behind it can clash: to go from the shorter to the longer gives the same
-- as the alphabet, and does not compare a long name with all others, byte by byte.
local function comes_first(a, b)
  if #a.name ~= #b.name then return #a.name < #b.name end
  return RANK[a.kind] < RANK[b.kind]
end

-- Families without those of which another one before them has a name.
local function without_conflicts(families, skipped)
  local order, taken, kept = {}, {}, {}
  for _, family in pairs(families) do order[#order + 1] = family end
  table.sort(order, comes_first)
  for _, name in ipairs(RESERVED) do taken[name] = true end
  for _, family in ipairs(order) do
    local free = true
    for _, name in ipairs(names_of(family)) do free = free and not taken[name] end
    if free then
      for _, name in ipairs(names_of(family)) do taken[name] = true end
      kept[#kept + 1] = family
    else
      skipped.conflict = (skipped.conflict or 0) + family.series
    end
  end
  return kept
end

local function append(list, items)
  local n = #list
  for i = 1, #items do list[n + i] = items[i] end
end

local function everything(prefix)
  local families, skipped = {}, {}
  for _, key in ipairs(call("ZRANGE", prefix .. ".index", 0, -1)) do
    local samples, series = read(key, prefix .. ":")
    if not samples then
      skipped[series] = (skipped[series] or 0) + 1
    elseif #samples > 0 then
      local id = series.kind .. ":" .. series.name
      local family = families[id] or {name = series.name, kind = series.kind, series = 0, samples = {}}
      append(family.samples, samples)
      family.series, families[id] = family.series + 1, family
    end
  end
  local flat, held = {}, 0
  for _, family in ipairs(without_conflicts(families, skipped)) do
    append(flat, family.samples)
    held = held + family.series
  end
  append(flat, {"labkit_sidecar_series", text(held)})
  for reason, n in pairs(skipped) do
    append(flat, {'labkit_sidecar_series_skipped{reason="' .. reason .. '"}', text(n)})
  end
  return flat
end
