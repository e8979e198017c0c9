"""The registry: nobody waits long for it, nobody else's code runs inside it, and what left it takes no memory."""

import gc
import logging
from collections.abc import Callable
from threading import Thread
from time import thread_time

import pytest

from harness.process import free_port, wait_until
from labkit import FlushError
from labkit.errors import MetricError
from labkit.keyspace.keys import Keys
from labkit.writer.declaration import OVERFLOW, Declaration
from labkit.writer.metric import NEVER, NOW
from labkit.writer.metrics import Counter, Gauge
from labkit.writer.registry import Registry
from tests.writer.quiet_writer import QuietWriter, accounts_balance

FEW, MANY = 1_000, 16_000


def counter(children: int, max_series: int = 10**6) -> Counter:
    """A counter with so many children."""
    declared = Declaration("counter", "events", "Help.", ("user",))
    events = Registry(Keys(), max_series).declare(declared, Counter)
    for user in range(children):
        events.labels(user=str(user)).inc()
    return events


def cost(make: Callable[[], Counter], act: Callable[[Counter], None]) -> float:
    """Processor time of this thread that `act` takes: the best of three, without the garbage of others."""
    found = []
    for _ in range(3):
        events = make()
        gc.disable()
        started = thread_time()
        act(events)
        found.append(thread_time() - started)
        gc.enable()
    return min(found)


def test_declaring_again_returns_the_same_metric() -> None:
    """Modules may declare what they share; a difference is shown from both sides."""
    registry = Registry(Keys(), 10)
    first = registry.declare(Declaration("counter", "events", "Help.", ("event",)), Counter)
    assert registry.declare(Declaration("counter", "events", "Help.", ("event",)), Counter) is first
    with pytest.raises(MetricError, match=r"(?s)'event'.*'place'"):
        registry.declare(Declaration("counter", "events", "Help.", ("place",)), Counter)


def test_too_many_label_sets_fold_into_one_series() -> None:
    """Beyond max_series the totals stay right, in the series whose labels are all overflow."""
    registry = Registry(Keys(), max_series=3)
    events = registry.declare(Declaration("counter", "events", "Help.", ("user",)), Counter)
    for user in range(10):
        events.labels(user=user).inc()
    recorded = {series.label_values: len(series.records) for series in registry.series()}
    assert recorded == {("0",): 1, ("1",): 1, ("2",): 1, (OVERFLOW,): 7}
    assert registry.overflows == 7
    registry.after_fork()
    assert registry.overflows == 0


def test_clear_costs_the_same_for_each_child() -> None:
    """Sixteen times the children take about sixteen times as long, not 256 times."""
    few, many = (cost(lambda n=n: counter(n), Counter.clear) for n in (FEW, MANY))  # type: ignore[misc]  # a default
    assert many / few < 64


def test_removing_one_costs_the_same_among_many() -> None:
    """A child knows where it is looked up: however many others there are, none is looked at."""

    def remove_some(events: Counter) -> None:
        for user in range(FEW // 2):
            events.remove(user=str(user))

    few, many = (cost(lambda n=n: counter(n), remove_some) for n in (FEW, MANY))  # type: ignore[misc]  # as above
    assert many / few < 4


def test_other_threads_record_while_all_is_cleared() -> None:
    """clear() holds the lock for a few children at a time, so a new label set need not wait for all of them."""
    events = counter(MANY)
    clearing = Thread(target=events.clear)
    clearing.start()
    recorded = 0
    while clearing.is_alive():
        events.labels(user=f"new {recorded}").inc()
        recorded += 1
    assert recorded > 10


class Counting(logging.Handler):
    """Counts log lines in another thread, and waits for it, as handlers with a queue and a worker may."""

    def __init__(self, events: Counter) -> None:
        super().__init__()
        self._events, self.counted = events, False

    def emit(self, record: logging.LogRecord) -> None:
        worker = Thread(target=lambda: self._events.labels(user=record.levelname).inc(), daemon=True)
        worker.start()
        worker.join(5)
        self.counted = not worker.is_alive()


def test_a_log_handler_may_record() -> None:
    """The warning that there is no more room is logged when nothing is locked."""
    events = counter(children=2, max_series=2)
    handler = Counting(events)
    logging.getLogger("labkit").addHandler(handler)
    try:
        events.labels(user="one too many").inc()
    finally:
        logging.getLogger("labkit").removeHandler(handler)
    assert handler.counted


class Text(str):
    """What a label's `__str__` may return: a str with methods of its own."""

    __slots__ = ()

    def __hash__(self) -> int:
        raise AssertionError("This must not run while something is locked.")


class Label:
    def __str__(self) -> str:
        return Text("a")


def test_label_values_are_plain_text() -> None:
    """Whatever a value's `__str__` returns, a series holds plain text, and finds the same child."""
    events = counter(children=0)
    child = events.labels(user=Label())
    assert type(child.label_values[0]) is str
    assert child is events.labels(user="a")


def test_a_forked_child_brings_back_nothing_that_was_removed() -> None:
    """It writes all series again, so that they live as long as it does; but one that was removed rests there, too."""
    events = counter(children=2)
    removed, other = events.children()
    for child in (removed, other):
        child.fold()
        child.settle()
        child.due_at = NOW
    removed.due_at = NEVER
    events._owner.after_fork()  # type: ignore[attr-defined]  # the registry
    assert (removed.due_at, other.mode) == (NEVER, "again")


def test_the_flush_thread_waits_for_no_lock(redis_url: str) -> None:
    """An interrupted thread may hold it, in a signal handler that waits for this flush."""
    with QuietWriter(redis_url, flush_interval=600) as writer:
        events = writer.counter("events", "Help.", ["user"])
        events.labels(user="a").inc()
        events.remove(user="b")
        with writer._registry._lock:
            writer.flush(timeout=5)
        assert writer.stats().pending == 0


def test_what_was_removed_takes_no_memory() -> None:
    """While Redis is away, thousands of removals of one key are one removal, and no child stays; each is counted."""
    with QuietWriter(f"redis://127.0.0.1:{free_port()}/0", flush_interval=600) as writer:
        depth = writer.gauge("depth", "Help.", ["user"])
        gauges = _gauges()
        for _ in range(5_000):
            depth.labels(user="a").set(1)
            depth.remove(user="a")
        wait_until(lambda: writer.stats().dropped.get("removed") == 5_000, "that all children are settled")
        accounts_balance(writer)
        assert len(writer._registry._removals) == 1
        assert _gauges() <= gauges + 1
        writer._registry._removals.clear()
        with pytest.raises(FlushError):
            writer.close(0)


def _gauges() -> int:
    return sum(type(one) is Gauge for one in gc.get_objects())
