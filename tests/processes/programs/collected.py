"""Have the garbage collected between a signal and its handler, after what is asked for was done with a service."""

# ruff: noqa: T201  the test reads what is printed

import gc
import os
import signal
import sys
import time
from _thread import interrupt_main
from collections.abc import Callable
from functools import partial
from operator import call

from labkit import RedisMetricsService


def close() -> None:
    metrics.close()


def fork() -> None:
    if child := os.fork():
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    events.inc()


signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
gc.collect()
gc.disable()
metrics = RedisMetricsService(os.environ["REDIS_URL"], flush_interval=600)
events = metrics.counter("events", "What happened.")
events.inc(3)
metrics.flush()
{"nothing": lambda: None, "close": close, "fork": fork}[sys.argv[1]]()
# In C, so that the first line of Python after the signal is that of a finalizer, if there is one to be called.
steps: list[Callable[[], object]] = [partial(interrupt_main, signal.SIGTERM), gc.collect]
list(map(call, steps))
print("The signal was lost.")
time.sleep(60)
