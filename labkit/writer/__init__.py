"""From a record to Redis: what an application imports, and the only part of labkit that runs in it.

```
descriptor    what a metric is
instrument    what all metrics have in common: children, pending records, when they are due
instruments   counter, gauge, histogram: the hot path; timer measures blocks and functions
registry      the metrics of one writer, and their series
options       how often, and for how long
batch         what is sent, frozen and numbered, and the outbox that keeps it
scripts       lua/flush.lua, which applies a batch at most once
delivery      batches on their way, and what became of them
attempts      when to try again: after a backoff, or once a probe has found that the server is back
collector     what was recorded becomes batches
worker        the thread with the clock: collect, deliver, try again
self_metrics  what the writer says about itself
writer        all of it in one process: starts anew after a fork, ends with the last flush
lifetime      forks, exits, children
service       RedisMetricsService: what an application declares and closes
```
"""

from labkit.writer.batch import SERIES_PER_BATCH, Outbox
from labkit.writer.instruments import Counter, Gauge, Histogram
from labkit.writer.lifetime import close_all
from labkit.writer.options import WriterOptions
from labkit.writer.self_metrics import REASONS, WriterStats
from labkit.writer.service import RedisMetricsService

__all__ = [
    "REASONS",
    "SERIES_PER_BATCH",
    "Counter",
    "Gauge",
    "Histogram",
    "Outbox",
    "RedisMetricsService",
    "WriterOptions",
    "WriterStats",
    "close_all",
]
