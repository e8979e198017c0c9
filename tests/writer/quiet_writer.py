"""A writer whose accounts can be compared with what the test did."""

from collections.abc import Iterable, Sequence
from typing import Any

from labkit import RedisMetricsService
from labkit.declaration import DEFAULT_BUCKETS, Declaration, Shared
from labkit.keys import Keys
from labkit.metrics import Counter, Gauge, Histogram
from labkit.registry import Registry


class QuietWriter(RedisMetricsService):
    """Keeps its metrics about itself at home, so that `stats()` counts the records of the test and no others."""

    def __init__(self, url: str, **options: Any) -> None:
        self._home = Registry(Keys("home"), 100)
        super().__init__(url, **options)

    def counter(self, name: str, help: str, labels: Sequence[str] = ()) -> Counter:  # noqa: A002  as the service
        declared = Declaration("counter", name, help, tuple(labels))
        return self._home.declare(declared, Counter) if _own(name) else super().counter(name, help, labels)

    def gauge(self, name: str, help: str, labels: Sequence[str] = (), *, shared: Shared = "last") -> Gauge:  # noqa: A002
        declared = Declaration("gauge", name, help, tuple(labels), shared=shared)
        return self._home.declare(declared, Gauge) if _own(name) else super().gauge(name, help, labels, shared=shared)

    def histogram(
        self,
        name: str,
        help: str,  # noqa: A002
        labels: Sequence[str] = (),
        *,
        buckets: Iterable[float] = DEFAULT_BUCKETS,
        unit: str = "",
    ) -> Histogram:
        declared = Declaration("histogram", name, help, tuple(labels), unit, tuple(buckets))
        if _own(name):
            return self._home.declare(declared, Histogram)
        return super().histogram(name, help, labels, buckets=declared.buckets, unit=unit)


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
