-- What Redis and Valkey give to a script: Lua 5.1, and these.
std = "lua51"
read_globals = {"redis", "KEYS", "ARGV", "cjson", "struct", "bit"}
max_line_length = 126
-- `not (x < y)` is true of NaN, and meant so.
ignore = {"581"}
