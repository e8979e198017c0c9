"""The store: the thing that is observed. A queue of customers behind a small HTTP API.

```
shop        what can happen: join, look around, serve, leave
ledger      what did happen, counted without the metrics: the known truth of the experiments
instruments what the metrics say about it
day         a day of customers, thought up by a queueing model
simulation  a day, lived in the shop
messages    what the API takes and gives
app         all of it behind HTTP, each request measured by `labkit.integrations.asgi`
```

`labkit.traffic` drives it from outside.
"""
