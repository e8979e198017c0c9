"""Send this process a signal at every single step of a flush, or of looking up a child; the handler uses the service.

In the second case the last thing that it does is to close it. One letter is printed for each step.
"""

# ruff: noqa: T201  the test reads what is printed

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from labkit import RedisMetricsService


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
    metrics.flush()
    if sys.argv[1] != "flush":
        metrics.close()


WORKS: dict[str, Callable[[], object]] = {
    "flush": lambda: metrics.flush(),
    "labels": lambda: events.labels(where=1.5),
    "close": lambda: metrics.close(),
}

signal.signal(signal.SIGALRM, use_and_close)
step, goes_on = 0, True
while goes_on:
    step += 1
    metrics = RedisMetricsService(os.environ["REDIS_URL"], flush_interval=600)
    events = metrics.counter("events", "What happened.", ["where"])
    goes_on = interrupted(step, WORKS[sys.argv[1]])
    metrics.close()
    assert metrics.stats().pending == 0
print("steps", step - 1)
