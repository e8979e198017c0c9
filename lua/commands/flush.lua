#!lua
-- flush.lua: apply one batch of a writer, whole and at most once.
--
-- KEYS  1  <prefix>.state        hash: epoch, version; swept, goal: how far dead series were looked for in the index
--       2  <prefix>.index        zset: series key -> version of its last change
--       3  <prefix>.meta         hash: metric name -> {"type","help","unit"}
--       4  <prefix>.removed      zset: series key -> when it was removed, s
--       5  <prefix>.fences       hash: writer -> number of the last batch applied for it (the fence)
--       6  <prefix>.writers      zset: writer -> when its fence may be forgotten, s
--       7… one key per series, each once; then, for each operation on a shared gauge in turn, the two keys of its writers:
--          <prefix>.entries:…    zset: writer -> what it holds
--          <prefix>.leases:…     zset: writer -> when its lease ends, s
-- ARGV  1  number of the batch: 1, 2, 3…
--       2  number of the oldest batch that the writer has no answer for
--       3  id of the writer, under which its batches are numbered
--       4  ttl of the series, ms
--       5  ttl of the fence, ms
--       6  lease of the writer's entries in shared gauges, ms
--       7  epoch to use if the server has none: random text
--       8  name of the writer's entries in shared gauges
--       9  JSON object: metric name -> its entry in <prefix>.meta
--      10  JSON array: one operation per series, in the order of KEYS; numbers are finite:
--            ["counter", mode, add]
--            ["gauge", mode, add, own]               the writer's own value is used where Redis holds none
--            ["gauge", mode, add, own, set]          add to <set> instead of what Redis holds
--            ["shared", mode, how, own]              one entry per writer; how is sum, min or max; no own: no entry
--            ["histogram", mode, bounds, adds, sum]  bounds as text, 5,10,25; adds as bucket, n, bucket, n…:
--                                                    buckets from 1, one more than bounds; ascending
--            ["remove"], ["remove", "shared"]
--          mode  record   something was recorded: brings a removed series back
--                new      the same, and Redis need not hold it: the series is new to this writer, or all is written again
--                refresh  nothing was recorded: leaves a series alone that was removed within the last ttl
--                again    the same, and Redis need not hold it: the writer writes all its series again
-- Returns  {status, epoch, fence, known, {key, reason, …}, {key, …}, {key, …}, {key, …}}
--          status  applied    the batch is in Redis now, all but the series skipped
--                  duplicate  it was there already; nothing was done
--                  gap        a batch before this one is missing; nothing was done
--                  rejected   ARGV 10 is no list of one operation per series; nothing was done, and never will be
--          fence   number of the last batch applied, or "" if the server knows none of this writer
--          known   "1" if there was a fence of this writer, else ""
--          5th     series that were skipped, and why: wrongtype, length, json, value, bounds, operation; shared: Redis
--                  holds a gauge that living writers share in another way
--          6th     histograms whose counts were folded into the other bounds that Redis holds
--          7th     series that were to be refreshed but have been removed
--          8th     series that Redis should have held, and did not
-- Errors   nothing was written. `#!lua` lets a read-only replica, a full server and one that cannot save refuse the script
--          before it starts; everything else that a write needs is checked before the first one.
--
-- Everything is read before the first write, and the fence is the first write. Patterns are linear, and texts bounded:
-- whatever a key holds, it cannot hold up the server. Series that labkit wrote are taken apart by patterns, several
-- times as fast as cjson; all others are decoded.

local call, try_call, format = redis.call, redis.pcall, string.format
local match, find, sub, concat = string.match, string.find, string.sub, table.concat
local STATE, INDEX, META, REMOVED, FENCES, WRITERS, FIRST_SERIES = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], 7
local NUMBER, OLDEST, WRITER = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local TTL, FENCE_TTL, LEASE = tonumber(ARGV[4]), tonumber(ARGV[5]) / 1000, ARGV[6] / 1000
local NEW_EPOCH, ENTRY, METADATA, OPERATIONS = ARGV[7], ARGV[8], ARGV[9], ARGV[10]
-- What one call decodes of a key that labkit did not write, in bytes.
local LONGEST_FOREIGN = 1024
-- What one call decodes of such keys together, and of bounds that are not the operation's.
local LONGEST_BOUNDS = 16 * 1024
local unusual_left = LONGEST_BOUNDS
-- What one call cleans up.
local SWEPT_PER_STEP, STEPS_PER_CALL, FENCES_PER_CALL, REMOVALS_PER_CALL, LEASES_PER_CALL = 8, 8, 8, 256, 1024

-- Guard clauses

local function is_version(n)
  return n and n % 1 == 0 and n >= 0 and n < 2 ^ 53
end

local state = call("HMGET", STATE, "epoch", "version", "swept", "goal")
local epoch, version = state[1], tonumber(state[2])
if not (epoch and is_version(version)) then
  -- The state was lost or damaged: readers start over when they see another epoch.
  epoch, version = NEW_EPOCH, 0
end
local fence = call("HGET", FENCES, WRITER)
local known = fence and "1" or ""

local function answer(status, number)
  return {status, epoch, number or fence or "", known, {}, {}, {}, {}}
end

if fence then
  fence = tonumber(fence)
  if not is_version(fence) then
    return redis.error_reply("ERR " .. FENCES .. " holds no batch number for " .. WRITER .. ": HDEL it")
  end
  fence = format("%.0f", fence)
  if NUMBER <= tonumber(fence) then return answer("duplicate") end
  if NUMBER > tonumber(fence) + 1 then return answer("gap") end
elseif NUMBER ~= OLDEST then
  -- The batch before this one was sent with it and refused: applying this one would fence that one off.
  return answer("gap")
end

-- A write that is refused after another was made would leave half a batch.
for _, write in ipairs {
  {"HSET", FENCES, "", ""}, {"ZADD", INDEX, 0, ""}, {"SET", INDEX, ""}, {"UNLINK", INDEX}, {"PEXPIREAT", INDEX, 0},
  {"ZREM", INDEX, ""}, {"HDEL", FENCES, ""},
} do
  if not redis.acl_check_cmd(unpack(write)) then
    return redis.error_reply("NOPERM this user may not call " .. write[1] .. ", which flush.lua needs")
  end
end
call("ZCARD", WRITERS)
call("HLEN", META)

local clock = call("TIME")
local now = clock[1] + clock[2] / 1000000
local now_text = format("%.3f", now)
local updated = ',"updated":' .. now_text .. "}"

-- What ends the plan and is about the whole batch. Kept here, because pcall returns no more of an error than its text.
local refusal

local function refuse(reply)
  refusal = reply
  error(reply)
end

local function checked_call(...)
  local reply = try_call(...)
  if type(reply) == "table" and reply.err then refuse(reply) end
  return reply
end

--- @include "keys"
--- @include "numbers"
--- @include "reading"
--- @include "flush/amounts"
--- @include "flush/values"
--- @include "flush/histograms"
--- @include "flush/shared-gauges"

local MERGE = {counter = counter, gauge = gauge, histogram = histogram}

-- Plan: read and check everything

local keys, texts, gauges, removals, unlinked = {}, {}, {}, {}, {}
local skipped, folded, removed, missing = {}, {}, {}, {}
local decoded, operations = pcall(cjson.decode, OPERATIONS)
if not decoded or type(operations) ~= "table" then return answer("rejected") end
-- The keys of the writers of the next shared gauge.
local helper = FIRST_SERIES + #operations

local function skip(key, reason)
  skipped[#skipped + 1], skipped[#skipped + 2] = key, reason
end

-- Whether a key that is missing was removed by somebody, rather than lost in another way.
local function was_removed(key)
  local at = checked_call("ZSCORE", REMOVED, key)
  return at and tonumber(at) > now - TTL / 1000
end

local function plan_removal(key, is_shared, entries, leases)
  removals[#removals + 1], unlinked[#unlinked + 1] = key, key
  if is_shared then unlinked[#unlinked + 1], unlinked[#unlinked + 2] = entries, leases end
end

-- Whether a key that is missing stays so.
local function stays_away(key, kind, mode)
  if mode == "new" then return false end
  if was_removed(key) then
    if mode ~= "record" then removed[#removed + 1] = key end
    return mode ~= "record"
  end
  -- A shared gauge ends with its last lease, and its living writers bring it back.
  if kind ~= "shared" and mode ~= "again" then missing[#missing + 1] = key end
  return false
end

local function plan_merge(key, kind, json, operation)
  local merged, reason, was_folded = MERGE[kind](json, operation)
  if not merged then return skip(key, reason) end
  keys[#keys + 1], texts[#texts + 1] = key, merged
  if was_folded then folded[#folded + 1] = key end
end

local function plan_shared(key, json, operation, entries, leases)
  local gauge_plan, reason = shared(json, operation, entries, leases)
  if not gauge_plan then return skip(key, reason) end
  gauge_plan.key = key
  gauges[#gauges + 1] = gauge_plan
end

local function plan(key, operation)
  local kind, mode = operation[1], operation[2]
  local entries, leases
  if kind == "shared" or mode == "shared" then
    entries, leases, helper = KEYS[helper], KEYS[helper + 1], helper + 2
  end
  if kind == "remove" then return plan_removal(key, mode == "shared", entries, leases) end
  local json, reason = series_at(key)
  if not json then return skip(key, reason) end
  if json == "" and checked_call("EXISTS", key) == 0 then
    json = nil
    if stays_away(key, kind, mode) then return end
  end
  if kind == "shared" then return plan_shared(key, json, operation, entries, leases) end
  plan_merge(key, kind, json, operation)
end

local planned = 0
local function plan_the_rest()
  while planned < #operations do
    planned = planned + 1
    plan(KEYS[FIRST_SERIES + planned - 1], operations[planned])
  end
end

repeat
  local sound = pcall(plan_the_rest)
  if refusal then return refusal end
  if not sound then skip(KEYS[FIRST_SERIES + planned - 1] or "", "operation") end
until planned == #operations

local metadata = {}
local described, descriptions = pcall(cjson.decode, METADATA)
for name, entry in pairs(described and descriptions or {}) do
  metadata[#metadata + 1], metadata[#metadata + 2] = name, cjson.encode(entry)
end

--- @include "flush/sweep"

local forgotten = call("ZRANGE", REMOVED, "-inf", text(now - TTL / 1000), "BYSCORE", "LIMIT", 0, REMOVALS_PER_CALL)
local outdated = {}
for _, writer in ipairs(call("ZRANGE", WRITERS, "-inf", text(now), "BYSCORE", "LIMIT", 0, FENCES_PER_CALL)) do
  if writer ~= WRITER then outdated[#outdated + 1] = writer end
end

-- Write

call("HSET", FENCES, WRITER, ARGV[1])
call("ZADD", WRITERS, text(now + FENCE_TTL), WRITER)

-- A relative time would cost as much again: the server turns it into an absolute one for its file and its replicas.
local function expires(ms)
  return format("%.0f", math.floor(now * 1000) + ms)
end

local expires_at = expires(TTL)
for i = 1, #keys do call("SET", keys[i], texts[i], "PXAT", expires_at) end

local function write_shared(gauge_plan)
  local entries, leases, ends = gauge_plan.entries, gauge_plan.leases, expires(gauge_plan.ms)
  call("SET", gauge_plan.key, gauge_plan.json, "PXAT", ends)
  keys[#keys + 1] = gauge_plan.key
  if gauge_plan.fresh then call("UNLINK", entries, leases) end
  if #gauge_plan.dead > 0 then
    call("ZREM", entries, unpack(gauge_plan.dead))
    call("ZREM", leases, unpack(gauge_plan.dead))
  end
  for _, writer in ipairs(gauge_plan.late) do call("ZADD", leases, text(now + gauge_plan.lease), writer) end
  if gauge_plan.own then
    call("ZADD", entries, text(gauge_plan.own), ENTRY)
    call("ZADD", leases, text(now + LEASE), ENTRY)
    call("PEXPIREAT", entries, ends)
    call("PEXPIREAT", leases, ends)
  elseif gauge_plan.before then
    call("ZREM", entries, ENTRY)
    call("ZREM", leases, ENTRY)
  end
end

for _, gauge_plan in ipairs(gauges) do write_shared(gauge_plan) end

-- Removed series stay in the index for a while, so that readers learn of the removal.
if #removals > 0 then
  call("UNLINK", unpack(unlinked))
  for _, key in ipairs(removals) do
    call("ZADD", REMOVED, text(now), key)
    keys[#keys + 1] = key
  end
end

-- Before this batch's own keys are noted: one of them may have been dead.
if #dead_series > 0 then call("ZREM", INDEX, unpack(dead_series)) end
if #forgotten > 0 then call("ZREM", REMOVED, unpack(forgotten)) end
-- One version per series, so that a reader's page may end between any two of them.
if #keys > 0 then
  local scores = {}
  for i, key in ipairs(keys) do scores[2 * i - 1], scores[2 * i] = text(version + i), key end
  call("ZADD", INDEX, unpack(scores))
end
call("HSET", STATE, "epoch", epoch, "version", format("%.0f", version + #keys), "swept", swept, "goal", goal)
if #metadata > 0 then call("HSET", META, unpack(metadata)) end
if #outdated > 0 then
  call("HDEL", FENCES, unpack(outdated))
  call("ZREM", WRITERS, unpack(outdated))
end

fence = ARGV[1]
local reply = answer("applied")
reply[5], reply[6], reply[7], reply[8] = skipped, folded, removed, missing
return reply
