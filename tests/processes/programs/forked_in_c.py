"""Fork as a program in C does, without Python's hooks, and use the parent's service in the child."""

import ctypes
import os
import sys

from labkit import RedisMetricsService

metrics = RedisMetricsService(os.environ["REDIS_URL"], flush_interval=600)
events = metrics.counter("events", "What happened, by where.", ["where"])
# Then the flush thread is idle. What it holds in the interpreter when it is not, a child without hooks never gets back.
metrics.flush()
events.labels(where="parent").inc()
# PyDLL keeps the interpreter's lock, which the child needs.
if not (child := ctypes.PyDLL(None).fork()):
    if sys.argv[1] == "labels":
        events.labels(where="child")
    else:
        getattr(metrics, sys.argv[1])()
    events.labels(where="child").inc(10)
    sys.exit()
status = os.waitpid(child, 0)[1]
assert status == 0, f"the child ended with the status {status}"
