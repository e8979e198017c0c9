"""The store: the thing that is observed. A queue of customers behind a small HTTP API.

```
shop        what can happen: join, look around, serve, leave
ledger      what did happen, counted without the metrics: the known truth of the experiments
instruments what the metrics say about it
middleware  how long each request took, and whether it failed
day         a day of customers, thought up by a queueing model
simulation  a day, lived in the shop
messages    what the API takes and gives
app         all of it behind HTTP
```

`traffic` and `locustfile` drive it from outside, following the rates and journeys of `schedule`; `tap` and `tapfile`
do so until told otherwise, at a rate that is turned while they run.
"""
