"""Ask Prometheus and Redis from a notebook: what `%load_ext labkit` adds.

```
magics          %promql, %%promql, %%lua, %redis and %lab: they read a line, and call what follows
arguments       words, options and times on that line
lab_command     the command line's own commands, behind %lab
scope           which variable a name means, where the magic is called
template        {{name}}: a variable's safe way into a query
result          the answer, asked once: a frame, a figure, or
diagnosis       why it is empty
advice          what would show it better
current_lab     the lab that is asked
request         what is sent to Redis, and
reply           what Redis says, and the line of a script that failed
deadline        one time limit for all that a magic waits for
highlight       how these look in a notebook
completion      what Tab offers, at
cursor_context  where in a query the cursor is, and so what may stand there, read by
promql          the words of the language (labkit.prometheus), from
metadata        the names that a live Prometheus knows (labkit.prometheus)
redis_names     the commands and keys that a live Redis knows
```
"""
