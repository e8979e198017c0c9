"""Use a service before multiprocessing is imported, and then in a child of it."""

import os
import sys

from labkit import RedisMetricsService

assert "multiprocessing.util" not in sys.modules
metrics = RedisMetricsService(os.environ["REDIS_URL"], flush_interval=600)
events = metrics.counter("events", "What happened.")
events.inc()

import multiprocessing  # noqa: E402  the order is what is tried here

child = multiprocessing.get_context("fork").Process(target=events.inc, args=(10,), daemon=True)
child.start()
child.join()
