"""How labkit uses Redis: the names of keys, connections, scripts, and how numbers are written."""
