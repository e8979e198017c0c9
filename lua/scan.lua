#!lua
-- scan.lua: one step through the index, to find the series of a metric.
--
-- KEYS  1  <prefix>.index  zset: series key -> version of its last change
-- ARGV  1  cursor: 0 at first, then what the step before returned
--       2  pattern of the keys
--       3  about how many entries to look at
-- Returns  {cursor, {key, version, key, version, …}}; the last step returns the cursor 0
-- Errors   `#!lua` lets a read-only replica refuse the script: it may lag, and lack keys that the master has.

-- Made by `make lua` from lua/commands/ and lua/includes/: change it there.

return redis.call("ZSCAN", KEYS[1], ARGV[1], "MATCH", ARGV[2], "COUNT", ARGV[3])
