"""What does recording cost? labkit beside prometheus_client, both in memory, in one run.

`python benchmarks/record.py` prints nanoseconds per call, the best of several rounds, and ratios. `call` is what the
application pays; `+ fold` adds what the flush thread pays later, which prometheus_client has no counterpart of.
"""

from collections.abc import Callable
from time import perf_counter
from timeit import repeat
from typing import Any

import prometheus_client

from labkit.declaration import Declaration
from labkit.keys import Keys
from labkit.metrics import Counter, Histogram, Metric
from labkit.registry import Registry

CALLS = 100_000
ROUNDS = 7
BUCKETS = (5, 10, 25, 50, 100, 250, 500, 1000)

Call = tuple[str, str, Metric]


def cost(statement: str, names: dict[str, Any], after: Callable[[], None] = lambda: None) -> float:
    """Return nanoseconds per execution of `statement`, in the best round; `after` runs between the rounds."""
    rounds = []
    for _ in range(ROUNDS):
        rounds += repeat(statement, globals=names, number=CALLS, repeat=1)
        after()
    return min(rounds) / CALLS * 1e9


def fold_cost(statement: str, names: dict[str, Any], series: Metric) -> float:
    """Return nanoseconds per record to fold what `statement` recorded."""
    rounds = []
    for _ in range(ROUNDS):
        repeat(statement, globals=names, number=CALLS, repeat=1)
        started = perf_counter()
        drain(series)
        rounds.append(perf_counter() - started)
    return min(rounds) / CALLS * 1e9


def drain(series: Metric) -> None:
    """Fold all that was recorded, slice by slice, as the flush thread does."""
    while series.records:
        series.fold()


def main() -> None:
    """Measure each way to record on both sides and print a table."""
    registry, theirs = Registry(Keys(), max_series=100), prometheus_client.CollectorRegistry()
    counter = registry.declare(Declaration("counter", "events", "Help.", ("event",)), Counter)
    histogram = registry.declare(Declaration("histogram", "took", "Help.", ("event",), "ms", BUCKETS), Histogram)
    their_counter = prometheus_client.Counter("events", "Help.", ["event"], registry=theirs)
    their_histogram = prometheus_client.Histogram("took", "Help.", ["event"], buckets=BUCKETS, registry=theirs)
    ours = {"m": counter, "c": counter.labels(event="joined"), "h": histogram.labels(event="joined")}
    others = {
        "m": their_counter,
        "c": their_counter.labels(event="joined"),
        "h": their_histogram.labels(event="joined"),
    }
    calls: tuple[Call, ...] = (
        ("child.inc()", "c.inc()", ours["c"]),
        ("labels(k=v).inc()", "m.labels(event='joined').inc()", ours["c"]),
        ("child.observe(x)", "h.observe(7.5)", ours["h"]),
    )
    print(f"{'ns':18}{'labkit call':>12}{'+ fold':>9}{'prometheus_client':>19}{'call ratio':>12}{'with fold':>11}")
    for name, statement, series in calls:
        call = cost(statement, ours, lambda series=series: drain(series))  # type: ignore[misc]  # bound per row
        fold, other = fold_cost(statement, ours, series), cost(statement, others)
        ratios = f"{other / call:11.1f}x{other / (call + fold):10.1f}x"
        print(f"{name:18}{call:12.0f}{fold:9.0f}{other:19.0f}{ratios}")


if __name__ == "__main__":
    main()
