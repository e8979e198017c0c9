"""Recording: cheap, thread-safe, and strict about what cannot be recorded."""

import json
import math
from collections.abc import Callable
from threading import Thread
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.errors import MetricError
from labkit.keyspace.keys import Keys
from labkit.writer.descriptor import Descriptor
from labkit.writer.instrument import NOW, Instrument
from labkit.writer.instruments import Counter, Gauge, Histogram
from labkit.writer.registry import Registry

FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32)


def registry(max_series: int = 100) -> Registry:
    return Registry(Keys(), max_series)


def counter(*labels: str, within: Registry | None = None) -> Counter:
    metrics = registry() if within is None else within
    return metrics.declare(Descriptor("counter", "events", "Help.", labels), Counter)


def gauge() -> Gauge:
    return registry().declare(Descriptor("gauge", "depth", "Help."), Gauge)


def histogram(*bounds: float, unit: str = "") -> Histogram:
    return registry().declare(Descriptor("histogram", "took", "Help.", (), unit, bounds), Histogram)


def taken(series: Instrument) -> list[Any]:
    """The operation that goes to Redis, without its mode; then it starts from zero."""
    series.fold()
    kind, _, *rest = json.loads(series.collect() or "")
    series.settle(due_at=NOW)
    return [kind, *rest]


def test_a_counter_adds_up() -> None:
    """What was added since the last time is one operation; then it starts from zero."""
    events = counter()
    events.inc()
    events.inc(2.5)
    assert taken(events) == ["counter", 3.5]
    assert taken(events) == ["counter", 0]


def test_a_gauge_folds_in_the_order_of_the_calls() -> None:
    """A set forgets the deltas before it and keeps those after it."""
    depth = gauge()
    depth.inc(7)
    depth.set(3)
    depth.dec()
    assert taken(depth) == ["gauge", -1, 2, 3]


@given(st.lists(FINITE, max_size=50))
def test_a_histogram_counts_every_value_once(values: list[float]) -> None:
    """Whatever is observed, the counts add up, the sum is exact, and each value is in its bucket."""
    took = histogram(-10, 0, 10)
    for value in values:
        took.observe(value)
    kind, bounds, adds, total = taken(took)
    cumulative = [sum(v <= bound for v in values) for bound in (-10, 0, 10, math.inf)]
    counts = dict(zip(adds[::2], adds[1::2], strict=True))
    assert (kind, bounds) == ("histogram", "-10,0,10")
    assert np.cumsum([counts.get(bucket, 0) for bucket in (1, 2, 3, 4)]).tolist() == cumulative
    assert total == math.fsum(values)


def test_time_is_observed_in_the_unit_of_the_histogram() -> None:
    """Seconds become milliseconds, even when the block raises or the timer decorates a function."""
    took = histogram(0, 1e6, unit="ms")

    @took.time()
    def fail() -> None:
        raise KeyError

    for _ in range(2):
        with pytest.raises(KeyError):
            fail()
    assert taken(took)[2] == [2, 2]


def test_a_unit_that_is_no_time_cannot_time() -> None:
    """Timing a histogram of bytes is a mistake, and the error says so."""
    with pytest.raises(MetricError, match="unit"):
        histogram(1, unit="bytes").time()


@pytest.mark.parametrize("bad", ["1", b"1", None, math.nan, math.inf, -math.inf, -1, -0.5, 10**400, [1], 1j])
def test_a_counter_refuses_at_the_call(bad: object) -> None:
    """What cannot be counted raises where it is recorded, not later in another thread."""
    events = counter()
    with pytest.raises(MetricError, match="events"):
        events.inc(bad)  # type: ignore[arg-type]  # the point of the test
    assert events.fold() == 0


def test_no_increment_of_eight_threads_is_missing() -> None:
    """Recording needs no lock: appends are atomic, and draining takes only what is there."""
    events = counter()

    def record() -> None:
        for _ in range(20_000):
            events.inc()

    threads = [Thread(target=record) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads) or events.records:
        events.fold()
    assert taken(events) == ["counter", 160000]


def test_more_than_a_double_holds_is_dropped() -> None:
    """Two values that are finite may not be together: that is dropped, and the next one counts again."""
    events = counter()
    events.inc(1.7e308)
    events.inc(1.7e308)
    events.fold()
    assert events.collect() is None
    events.reset()
    events.inc()
    assert taken(events) == ["counter", 1]


class OutOfMemory:
    """A record whose folding fails, as any may when there is no memory left."""

    def __float__(self) -> float:
        raise MemoryError


@pytest.mark.parametrize("make", [counter, gauge, histogram])
def test_a_fold_that_fails_gives_up_no_record(make: Callable[[], Instrument]) -> None:
    """All stay where they are, to be folded once there is memory again; an operation alone changes nothing."""
    series = make()
    series.records[:] = [1.0, OutOfMemory(), 2.0]
    with pytest.raises(MemoryError):
        series.fold()
    assert (len(series.records), series.folded) == (3, 0)
    series.records[1] = 3.0
    assert (series.fold(), series.folded) == (3, 3)
    assert series.collect() == series.collect()
    assert "6.0" in (series.collect() or "")
