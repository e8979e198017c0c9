"""Send this process a signal at every single step of a flush, a look-up or a close; its handler uses the service.

Unless it is a flush that was interrupted, the last thing that the handler does is to close it.
"""

# ruff: noqa: T201  the test reads what is printed

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from labkit import FlushError, RedisMetricsService


def interrupted(step: int, work: Callable[[], object]) -> bool:
    """Do `work`, and raise a signal at this step of the interpreter; return whether there are so many."""
    steps = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal steps
        frame.f_trace_opcodes = True
        steps += event == "opcode"
        if steps == step:
            sys.settrace(None)
            signal.raise_signal(signal.SIGALRM)
        return trace if steps < step else None

    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(None)
    return steps >= step


def use_and_close(*_: object) -> None:
    events.labels(where="handler").inc()
    metrics.stats()
    try:
        metrics.flush()
    except FlushError as error:
        # So it may be, if it is closing that was interrupted.
        assert "is closed" in str(error)
    if sys.argv[1] != "flush":
        metrics.close()


def look_up() -> None:
    # A number, because a text has a short cut.
    events.labels(where=1.5)


signal.signal(signal.SIGALRM, use_and_close)
step, goes_on = 0, True
while goes_on:
    step += 1
    metrics = RedisMetricsService(os.environ["REDIS_URL"], flush_interval=600)
    events = metrics.counter("events", "What happened.", ["where"])
    events.labels(where="work").inc()
    works = {"flush": metrics.flush, "labels": look_up, "close": metrics.close}
    goes_on = interrupted(step, works[sys.argv[1]])
    metrics.close()
    assert metrics.stats().pending == 0
print(f"steps={step}")
