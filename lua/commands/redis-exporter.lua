-- redis-exporter.lua: read the series of one prefix, as they are held or as Prometheus samples. It writes nothing.
--
-- Two ways to call it:
--
-- 1. The stock redis_exporter, or a person:  redis-cli EVAL "$(cat lua/redis-exporter.lua)" 0
--    KEYS  none, ARGV ignored: all series in the index of the prefix "metrics".
--    Returns  a flat list {sample, value, sample, value, …}, all of it text, every value one that Go can parse, no
--             sample twice; last come labkit_sidecar_series and labkit_sidecar_series_skipped{reason="…"}.
--
-- 2. labkit's exporter, with EVALSHA_RO. It passes on what is held; labkit/sidecar/judging.py says what that is worth.
--    KEYS  1  <prefix>.state   hash: epoch, version
--          2  <prefix>.index   zset: series key -> version of its last change
--          3… read: one key per series; meta: <prefix>.meta, hash: metric name -> JSON
--    ARGV  1  changed | all | read | meta
--          2  changed, all: after this version
--          3  changed, all: the most series to return
--          2… meta: one name per metric
--    Returns  changed, all: {epoch, version, reached, key, ms, JSON, key, ms, JSON, …}
--             changed has the series up to the server's version. all has those beyond it, too: after a loss of
--             <prefix>.state, versions begin anew, and the index still has greater ones.
--          version  the server's
--          reached  the version of the last series returned: ask for those after it, or "" if there are no more
--          key      one that is too long ends after one byte more than it may have
--          ms       ms to live; -2: the series is gone; -1: forever, or not asked
--          JSON     as it is held; or {reason}: wrongtype, length or prefix
--             read: {key, ms, JSON, …}, for as many of the keys as fit into a short call: ask again for the others
--             meta: {JSON, …}, for as many of the names; false for what is not there or too long
--    A caller that finds an epoch other than its own, or a version below its own, knows a past that is not this
--    server's: it begins with all, after version 0, and goes on with what changed since the first version it was given.
--
-- Reasons: length, prefix, kind, name, labels, wrongtype, json, value, bounds, counts, in this order; and conflict: of
-- families that claim one name, the first in alphabetical order has it; of one name, histogram before counter before
-- gauge.
--
-- The server does nothing else meanwhile, and anybody may have written what is read here: every length is bounded
-- before a pattern sees the text, and no pattern takes more than a few steps per byte.

local call, try_call, format = redis.call, redis.pcall, string.format
local match, gmatch, gsub, find, sub = string.match, string.gmatch, string.gsub, string.find, string.sub
local QUANTILES = {{"p50", 0.50}, {"p95", 0.95}, {"p99", 0.99}}
-- In bytes: what a series may have of a key and of text on the page; what ends a reply. And in buckets.
local LONGEST_KEY, LONGEST_TEXT, REPLY_BYTES, MOST_BUCKETS = 8 * 1024, 256 * 1024, 256 * 1024, 1000
-- Members of the index that are asked for at a time: nobody knows how long they are.
local LISTED = 50

local function refuse(reply)
  error(reply.err, 0)
end

--- @include "keys"
--- @include "numbers"
--- @include "reading"
--- @include "exporter/series-keys"
--- @include "exporter/json"
--- @include "exporter/numbers"
--- @include "exporter/samples"

-- A field of one of our hashes; false if it is not there, too long, or the hash is none.
local function field_of(key, name)
  local bytes = try_call("HSTRLEN", key, name)
  if type(bytes) == "table" then
    wrong_type(bytes)
    return false
  end
  return bytes <= LONGEST and call("HGET", key, name)
end

-- How long a key beyond our prefix has to live, ms. A user who may not even ask must not lose the page for it.
local function foreign_ms(key)
  local ms = try_call("PTTL", key)
  return type(ms) == "number" and ms or -1
end

-- key -> samples and series; {} when the series is gone; nil and a reason when it cannot be read.
local function read(key, prefix)
  local series, reason = parse(key, prefix)
  if reason == "length" then return nil, reason end
  if reason == "prefix" then return foreign_ms(key) == -2 and {} or nil, reason end
  local json, no = series_at(key)
  if json == "" and call("EXISTS", key) == 0 then return {} end
  if not series then return nil, reason end
  if not json then return nil, no end
  local held = fields(json)
  if not held then return nil, "json" end
  local samples, why = SAMPLES_OF[series.kind](series, held)
  return samples, samples and series or why
end

--- @include "exporter/everything"
--- @include "exporter/as-held"

local what, prefix = ARGV[1], KEYS[2] and prefix_of(KEYS[2])
if what == "read" then return named(KEYS, prefix) end
if what == "meta" then return metadata(KEYS[3], ARGV) end
if what ~= "changed" and what ~= "all" then return everything("metrics") end
return changes(KEYS[1], KEYS[2], prefix, tonumber(ARGV[2]), tonumber(ARGV[3]), what == "all")
