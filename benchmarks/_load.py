"""The load of `stall.py` and `memory.py`: a thread that never rests and observes at an even rate."""

import random
from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from time import perf_counter_ns

from labkit import RedisMetricsService

RATE = 500_000  # observations a second
SERIES = 10_000
BUCKETS = (1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000)

Observe = Callable[[float], None]


def observers(metrics: RedisMetricsService) -> list[Observe]:
    """Return the `observe` of each of `SERIES` children of one histogram."""
    took = metrics.histogram("took", "How long it took.", ["route"], buckets=BUCKETS, unit="ms")
    return [took.labels(route=str(i)).observe for i in range(SERIES)]


def spin(observe: Sequence[Observe], seconds: float) -> float:
    """Make `RATE` observations a second, over all of `observe` in turn; return the rate that was reached.

    After a delay it catches up. Each value is a new float, as a real timer's is.
    """
    n, pace, clock = int(RATE * seconds), 10**9 // RATE, perf_counter_ns
    started = due = clock()
    for record, value in _calls(observe, n):
        while clock() < due:
            pass
        record(value * 1.5)
        due += pace
    return n / (clock() - started) * 1e9


def spin_and_watch(observe: Sequence[Observe], seconds: float) -> "array[int]":
    """As `spin`; return the nanoseconds from each observation to the next: 2,000 if nothing is in the way."""
    n, pace, clock = int(RATE * seconds), 10**9 // RATE, perf_counter_ns
    gaps = array("Q", bytes(8 * n))
    before = due = clock()
    for i, (record, value) in enumerate(_calls(observe, n)):
        while (now := clock()) < due:
            pass
        record(value * 1.5)
        gaps[i] = now - before
        before = now
        due += pace
    return gaps


def _calls(observe: Sequence[Observe], n: int) -> Iterator[tuple[Observe, float]]:
    # A prime number of values, so that every series meets all of them.
    chance = random.Random(7)
    values = [chance.expovariate(1 / 50) for _ in range(1_009)]
    return islice(zip(cycle(observe), cycle(values), strict=False), n)
