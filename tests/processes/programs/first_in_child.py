"""Import labkit in a child of multiprocessing only, and fork there once more."""

import multiprocessing
import os
import sys


def count() -> None:
    from labkit import RedisMetricsService

    metrics = RedisMetricsService(os.environ["REDIS_URL"], flush_interval=600)
    events = metrics.counter("events", "What happened.")
    events.inc()
    if grandchild := os.fork():
        os.waitpid(grandchild, 0)
    else:
        events.inc(10)
        sys.exit()


child = multiprocessing.get_context("fork").Process(target=count)
child.start()
child.join()
