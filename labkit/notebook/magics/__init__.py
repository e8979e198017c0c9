"""Ask Prometheus and Redis from a notebook: what `%load_ext labkit` adds.

```
magics        %promql, %%promql, %%lua, %redis and %lab: they read a line, and call what follows
magic_line    words, options and moments on that line
lab_command   the command line's own commands, behind %lab
scope         which variable a name means, where the magic is called
template      {{name}}: a variable's safe way into a query
result        the answer, asked once: a frame, a figure, or
diagnosis     why it is empty
advice        what would show it better
request       what is sent to Redis, and
reply         what Redis says, and the line of a script that failed
deadline      one time limit for all that a magic waits for
highlight     how these look in a notebook
completion    what Tab offers, at
places        the place of the cursor in a query, read by
promql        the words of the language, from
metadata      the names that a live Prometheus knows
keyspace      the commands and keys that a live Redis knows
```
"""
