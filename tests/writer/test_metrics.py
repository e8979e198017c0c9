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
from labkit.keys import Keys
from labkit.writer.declaration import OVERFLOW, Declaration
from labkit.writer.metrics import AGAIN, NEVER, NEW, NOW, Counter, Gauge, Histogram, Metric, Mode
from labkit.writer.registry import Registry

MODES: list[tuple[float, int, Mode]] = [
    (NEW, 0, "new"),
    (NEW, 3, "new"),
    (AGAIN, 0, "again"),
    (AGAIN, 3, "record"),
    (NOW, 3, "record"),
    (NEVER, 3, "record"),
    (NOW, 0, "refresh"),
    (17.0, 0, "refresh"),
]
FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32)


def registry(max_series: int = 100) -> Registry:
    return Registry(Keys(), max_series)


def counter(*labels: str, within: Registry | None = None) -> Counter:
    metrics = registry() if within is None else within
    return metrics.declare(Declaration("counter", "events", "Help.", labels), Counter)


def gauge() -> Gauge:
    return registry().declare(Declaration("gauge", "depth", "Help."), Gauge)


def histogram(*bounds: float, unit: str = "") -> Histogram:
    return registry().declare(Declaration("histogram", "took", "Help.", (), unit, bounds), Histogram)


def taken(series: Metric) -> list[Any]:
    """The operation that goes to Redis, without its mode; then it starts from zero."""
    series.fold()
    kind, mode, *rest = json.loads(series.operation("record") or "")
    assert mode == "record"
    series.settle()
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


def test_one_child_for_labels_by_name_position_and_order() -> None:
    """However a child is asked for, it is the same object."""
    events = counter("event", "place")
    child = events.labels(event="joined", place="here")
    assert child is events.labels(place="here", event="joined") is events.labels("joined", "here")


def test_label_values_that_python_takes_for_equal_stay_apart() -> None:
    """1, 1.0 and True hash alike; as label values they are three series."""
    events = counter("code")
    children = [events.labels(code=code) for code in ("1", 1, 1.0, True)]
    assert children[0] is children[1]
    assert len({id(child) for child in children}) == 3


@pytest.mark.parametrize("labels", [{}, {"event": "a", "x": "b"}, {"Event": "a"}])
def test_wrong_labels_name_the_right_ones(labels: dict[str, str]) -> None:
    """A label mistake says which labels there are."""
    with pytest.raises(MetricError, match=r"has the labels \(event\)"):
        counter("event").labels(**labels)


def test_a_metric_with_labels_is_not_recorded_to() -> None:
    """When `.labels()` was forgotten, the error says how to call it."""
    with pytest.raises(MetricError, match=r"events\.labels\(event=…\)"):
        counter("event").inc()


def test_a_child_has_no_further_labels() -> None:
    """`.labels()` twice is a mistake."""
    with pytest.raises(MetricError, match="directly"):
        counter("event").labels(event="a").labels(event="b")


def test_declaring_again_returns_the_same_metric() -> None:
    """Modules may declare what they share; a difference is shown from both sides."""
    metrics = registry()
    first = counter("event", within=metrics)
    assert counter("event", within=metrics) is first
    with pytest.raises(MetricError, match=r"(?s)'event'.*'place'"):
        counter("place", within=metrics)


@pytest.mark.parametrize("labels", [("__name",), ("le",), ("quantile",), ("a-b",), ("a", "a"), ("1a",)])
def test_label_names_that_prometheus_reserves_are_refused(labels: tuple[str, ...]) -> None:
    """A bad label name fails at the declaration."""
    with pytest.raises(MetricError, match="label"):
        counter(*labels)


@pytest.mark.parametrize("bounds", [(5, 1), (1, 1), (1, math.nan)])
def test_bounds_must_ascend(bounds: tuple[float, ...]) -> None:
    """Buckets out of order fail at the declaration."""
    with pytest.raises(MetricError, match="ascending"):
        histogram(*bounds)


def test_too_many_label_sets_fold_into_one_series() -> None:
    """Beyond max_series the totals stay right, in the series whose labels are all overflow."""
    metrics = registry(max_series=3)
    events = counter("user", within=metrics)
    for user in range(10):
        events.labels(user=user).inc()
    added = {series.label_values: taken(series)[1] for series in metrics.series()}
    assert added == {("0",): 1, ("1",): 1, ("2",): 1, (OVERFLOW,): 7}
    assert metrics.overflows == 7
    metrics.after_fork()
    assert metrics.overflows == 0


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
    assert events.operation("record") is None
    events.settle()
    events.inc()
    assert taken(events) == ["counter", 1]


class OutOfMemory:
    """A record whose folding fails, as any may when there is no memory left."""

    def __float__(self) -> float:
        raise MemoryError


@pytest.mark.parametrize("make", [counter, gauge, histogram])
def test_a_fold_that_fails_gives_up_no_record(make: Callable[[], Metric]) -> None:
    """All stay where they are, to be folded once there is memory again; an operation alone changes nothing."""
    series = make()
    series.records[:] = [1.0, OutOfMemory(), 2.0]
    with pytest.raises(MemoryError):
        series.fold()
    assert (len(series.records), series.folded) == (3, 0)
    series.records[1] = 3.0
    assert (series.fold(), series.folded) == (3, 3)
    assert series.operation("record") == series.operation("record")
    assert "6.0" in (series.operation("record") or "")


@pytest.mark.parametrize(("due", "folded", "mode"), MODES)
def test_a_series_says_why_it_is_written(due: float, folded: int, mode: Mode) -> None:
    """New to this writer, recorded to, written again because a server lost it, or only to live on."""
    events = counter()
    events.due_at, events.folded = due, folded
    assert events.mode == mode


def test_a_removed_child_leaves_and_a_held_one_finds_its_successor() -> None:
    """After remove() the label values start anew; whoever kept the old child records to the new one."""
    metrics = registry()
    events = counter("user", within=metrics)
    old, other = events.labels(user="a"), events.labels(user="b")
    events.remove(user="a")
    assert metrics.series() == [other]
    old.inc(3)
    assert taken(events.labels(user="a")) == ["counter", 3]
    removals, departed, _ = metrics.snapshot()
    assert ([removal.key for removal in removals], departed) == (["metrics:counter:events:user=a"], [old])


def test_clear_leaves_nothing_of_the_metric_and_all_of_the_others() -> None:
    """Every child goes, from Redis too by its pattern; another metric with the same beginning of its name stays."""
    metrics = registry()
    events = counter("user", within=metrics)
    other = metrics.declare(Declaration("counter", "events_too", "Help.", ("user",)), Counter).labels(user="a")
    children = [events.labels(user=user) for user in "ab"]
    events.clear()
    removals, departed, series = metrics.snapshot()
    assert (departed, series) == (children, [other])
    assert [removal.pattern for removal in removals] == ["metrics:counter:events:*"]


def test_only_children_can_be_removed() -> None:
    """A metric without labels always holds its one series; a mistake in the labels says which there are."""
    with pytest.raises(MetricError, match="no"):
        counter().clear()
    with pytest.raises(MetricError, match="user"):
        counter("user").remove(place="here")
