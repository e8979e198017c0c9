"""Record from eight threads at once, while the service flushes all the time; the last threads outlive the script."""

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

from labkit import RedisMetricsService

metrics = RedisMetricsService(os.environ["REDIS_URL"], flush_interval=0.01)
events = metrics.counter("events", "What happened.")
seen = metrics.counter("seen", "What each thread saw.", ["thread"])
took = metrics.histogram("took", "How long it took.", buckets=(1, 2))


def record(thread: int) -> None:
    for n in range(20_000):
        events.inc()
        seen.labels(thread=thread % 2).inc()
        took.observe(n % 4)


executor = ThreadPoolExecutor(4)
for number in range(4):
    executor.submit(record, number)
    Thread(target=record, args=(number,)).start()
