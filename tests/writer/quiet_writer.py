"""A writer whose accounts can be compared with what the test did."""

from collections.abc import Iterable, Sequence
from typing import Any

from labkit import RedisMetricsService
from labkit.keyspace.keys import Keys
from labkit.writer.descriptor import Descriptor, Shared
from labkit.writer.instruments import Counter, Gauge, Histogram
from labkit.writer.registry import Registry


class Home:
    """Where the metrics of a writer about itself stay when nobody sends them."""

    def __init__(self) -> None:
        self._registry = Registry(Keys("home"), 100)

    def counter(self, name: str, help: str, labels: Sequence[str] = ()) -> Counter:  # noqa: A002  as the service
        return self._registry.declare(Descriptor("counter", name, help, tuple(labels)), Counter)

    def gauge(self, name: str, help: str, *, shared: Shared) -> Gauge:  # noqa: A002
        return self._registry.declare(Descriptor("gauge", name, help, shared=shared), Gauge)

    def histogram(self, name: str, help: str, *, buckets: tuple[float, ...], unit: str) -> Histogram:  # noqa: A002
        return self._registry.declare(Descriptor("histogram", name, help, unit=unit, buckets=buckets), Histogram)


class QuietWriter(RedisMetricsService):
    """Keeps its metrics about itself at home, so that `stats()` counts the records of the test and no others."""

    def __init__(self, url: str, **options: Any) -> None:
        self._home = Home()
        super().__init__(url, **options)

    def counter(self, name: str, help: str, labels: Sequence[str] = ()) -> Counter:  # noqa: A002  as the service
        return self._home.counter(name, help, labels) if _own(name) else super().counter(name, help, labels)

    def gauge(self, name: str, help: str, labels: Sequence[str] = (), *, shared: Shared = "last") -> Gauge:  # noqa: A002
        if _own(name):
            return self._home.gauge(name, help, shared=shared)
        return super().gauge(name, help, labels, shared=shared)

    def histogram(
        self,
        name: str,
        help: str,  # noqa: A002
        labels: Sequence[str] = (),
        *,
        buckets: Iterable[float] | None = None,
        unit: str = "",
    ) -> Histogram:
        if _own(name):
            return self._home.histogram(name, help, buckets=tuple(buckets or ()), unit=unit)
        return super().histogram(name, help, labels, buckets=buckets, unit=unit)


def _own(name: str) -> bool:
    return name.startswith("labkit_writer_")


def accounts_balance(writer: RedisMetricsService) -> None:
    """Every record is written, dropped for a reason, or waits. Exact while nothing is recorded or flushed."""
    stats = writer.stats()
    assert stats.recorded == stats.written + sum(stats.dropped.values()) + stats.pending, stats


def accounts_are_settled(writer: RedisMetricsService, calls: int, dropped: int = 0) -> None:
    """Nothing waits; of the calls that the test made, Redis has all but those dropped."""
    accounts_balance(writer)
    stats = writer.stats()
    assert (stats.recorded, sum(stats.dropped.values()), stats.pending) == (calls, dropped, 0), stats
