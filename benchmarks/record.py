"""What does recording cost? labkit beside prometheus_client, both in memory, in one run.

`python benchmarks/record.py` prints nanoseconds per call, best of several rounds, and the ratio. labkit's number includes
folding: every round drains what it recorded, as the flush thread does.
"""

from collections.abc import Callable
from timeit import repeat

import prometheus_client

from labkit.keys import Keys
from labkit.metrics import Counter, Declaration, Histogram
from labkit.registry import Registry

CALLS = 200_000
ROUNDS = 5
BUCKETS = (5, 10, 25, 50, 100, 250, 500, 1000)


def nanoseconds(call: Callable[[], object], after: Callable[[], object] = lambda: None) -> float:
    """Return the cost of one call in the best round; `after` runs within each round."""

    def round_() -> None:
        for _ in range(CALLS):
            call()
        after()

    return min(repeat(round_, number=1, repeat=ROUNDS)) / CALLS * 1e9


def main() -> None:
    """Measure each way to record on both sides and print a table."""
    registry = Registry(Keys(), max_series=100)
    counter = registry.declare(Declaration("counter", "events", "Help.", ("event",)), Counter)
    histogram = registry.declare(Declaration("histogram", "took", "Help.", (), "ms", BUCKETS), Histogram)
    theirs = prometheus_client.CollectorRegistry()
    their_counter = prometheus_client.Counter("events", "Help.", ["event"], registry=theirs)
    their_histogram = prometheus_client.Histogram("took", "Help.", buckets=BUCKETS, registry=theirs)
    child, their_child = counter.labels(event="joined"), their_counter.labels(event="joined")
    rows = [
        ("child.inc()", nanoseconds(child.inc, child.fold), nanoseconds(their_child.inc)),
        (
            "labels(k=v).inc()",
            nanoseconds(lambda: counter.labels(event="joined").inc(), child.fold),
            nanoseconds(lambda: their_counter.labels(event="joined").inc()),
        ),
        (
            "observe(x)",
            nanoseconds(lambda: histogram.observe(7.5), histogram.fold),
            nanoseconds(lambda: their_histogram.observe(7.5)),
        ),
    ]
    print(f"{'ns per call':20}{'labkit':>10}{'prometheus_client':>20}{'ratio':>8}")
    for name, ours, others in rows:
        print(f"{name:20}{ours:10.0f}{others:20.0f}{others / ours:8.1f}")


if __name__ == "__main__":
    main()
