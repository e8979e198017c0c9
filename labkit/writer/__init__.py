"""From a record to Redis: what an application imports, and the only part of labkit that runs in it.

```
declaration  what a metric is
metrics      what is recorded to: the hot path; timer measures blocks and functions
registry     the metrics of one writer, and their series
timing       how often, and for how long
batch        what is sent, frozen and numbered
scripts      lua/flush.lua, which applies a batch at most once
delivery     batches on their way, and what became of them
attempts     when to try again: after a backoff, or once a probe has found that the server is back
flusher      fold, freeze, deliver: what the flush thread does
telemetry    what the writer says about itself
lifetime     forks, exits, children
service      RedisMetricsService: all of it, with its thread
```
"""
