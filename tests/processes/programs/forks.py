"""Fork again and again while a flush is on its way; children and grandchildren record to the parent's service."""

# ruff: noqa: T201  the test reads what is printed

import os
import sys
from threading import Event, Thread

from labkit import RedisMetricsService

FORKS = 5

metrics = RedisMetricsService(os.environ["REDIS_URL"], flush_interval=600)
events = metrics.counter("events", "What happened.")
by_child = metrics.counter("by_child", "What happened, by child.", ["child"])
flushes: list[str] = []
enough = Event()


def flush_all_the_time() -> None:
    while not enough.is_set():
        # Enough series to be on the way for a while.
        for child in range(100):
            by_child.labels(child=f"many{child}").inc(0)
        flushes.append("begun")
        metrics.flush()
        flushes.append("done")


def be_the_child(child: int) -> None:
    events.inc(10)
    by_child.labels(child=child).inc()
    own = RedisMetricsService(os.environ["REDIS_URL"], flush_interval=600)
    own.counter("made_in_child", "What a service of the child's own counted.").inc()
    if grandchild := os.fork():
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]))
    events.inc(100)
    own.counter("made_in_child", "What a service of the child's own counted.").inc()


flusher = Thread(target=flush_all_the_time)
flusher.start()
during_a_flush = 0
for number in range(FORKS):
    events.inc()
    while not flushes or flushes[-1] == "done":
        pass
    before = len(flushes)
    if not (pid := os.fork()):
        be_the_child(number)
        sys.exit()
    during_a_flush += len(flushes) == before
    assert os.waitpid(pid, 0)[1] == 0
enough.set()
flusher.join()
print(f"during_a_flush={during_a_flush}")
