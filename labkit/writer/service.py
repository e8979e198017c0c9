"""Batch: `RedisMetricsService`, the writer that an application records to.

Application threads append; one flush thread folds what they appended several times a second, and sends what changed
to Redis every `flush_interval`, as batches that are applied at most once.
"""

import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn, Self

from labkit.errors import MetricError
from labkit.keyspace.connection import DEFAULT_URL, endpoint
from labkit.keyspace.keys import Keys
from labkit.writer.buckets import bounds_of
from labkit.writer.descriptor import Descriptor, Shared
from labkit.writer.instruments import Counter, Gauge, Histogram
from labkit.writer.options import WriterOptions
from labkit.writer.registry import Registry
from labkit.writer.self_metrics import SelfMetrics, WriterStats
from labkit.writer.writer import Writer


class RedisMetricsService:
    """Records metrics in memory and writes them to Redis, without ever making the application wait.

    All durations are in seconds. Redis may be away at any time, even at the start: recording goes on, memory is
    bounded by the number of series, and the writer catches up when Redis is back.

    >>> with RedisMetricsService("redis://127.0.0.1:6379/0") as metrics:
    ...     events = metrics.counter("user_events", "What users did in the store.", ["event"])
    ...     events.labels(event="joined").inc()

    Args:
        url: where Redis or Valkey answers.
        flush_interval: how often changes are sent.
        ttl: how long a series outlives its last writer. Idle series of a living writer never expire.
        prefix: what every key starts with.
        max_series: label sets beyond this many are counted together, with all labels `__overflow__`.
        lease: how long a process that was killed still counts in a gauge shared by `sum`, `min` or `max`; at
            least three flush intervals.

    Raises:
        ConnectionFailed: the URL is malformed.
        MetricError: an option is invalid.
    """

    # What makes the metrics of the writer about itself, and where they are.
    _self_metrics: Callable[[Registry], SelfMetrics] = SelfMetrics

    def __init__(  # noqa: PLR0913  one option, one parameter
        self,
        url: str = DEFAULT_URL,
        *,
        flush_interval: float = 5.0,
        ttl: float = 1800,
        prefix: str = "metrics",
        max_series: int = 100_000,
        lease: float = 60,
    ) -> None:
        options, keys = WriterOptions(flush_interval, ttl, lease), Keys(prefix)
        self._registry = Registry(keys, max_series)
        self._writer = Writer(
            endpoint=endpoint(url),
            keys=keys,
            registry=self._registry,
            self_metrics=self._self_metrics(self._registry),
            options=options,
            # Weak, so that the writer can tell when nobody has this service any more.
            service=weakref.ref(self),
        )

    def __repr__(self) -> str:
        return repr(self._writer)

    def __reduce__(self) -> NoReturn:
        raise MetricError("A service cannot be pickled or copied: make a service per process, and share it there.")

    # Declaring -----------------------------------------------------------------------------------------------

    def counter(self, name: str, help: str, labels: Sequence[str] = ()) -> Counter:  # noqa: A002  the API follows prometheus_client
        """Declare a total that only grows. Its name is exposed as it is declared.

        Raises:
            MetricError: a name is not allowed, or the metric is already declared differently.
        """
        return self._registry.declare(Descriptor("counter", name, help, labels), Counter)

    def gauge(self, name: str, help: str, labels: Sequence[str] = (), *, shared: Shared = "last") -> Gauge:  # noqa: A002
        """Declare a value that goes up and down; `shared` says how several processes combine in it (see `Gauge`).

        Raises:
            MetricError: as for `counter`.
        """
        return self._registry.declare(Descriptor("gauge", name, help, labels, shared=shared), Gauge)

    def histogram(
        self,
        name: str,
        help: str,  # noqa: A002
        labels: Sequence[str] = (),
        *,
        buckets: Iterable[float] | None = None,
        unit: str = "",
    ) -> Histogram:
        """Declare a distribution over `buckets`: ascending upper bounds in `unit`; +Inf is implied.

        By default they suit the unit: seconds if there is none, other units of time, bytes.

        Raises:
            MetricError: as for `counter`, the buckets are not finite and ascending, or the unit has no default.
        """
        bounds = bounds_of(buckets, unit, name)
        return self._registry.declare(Descriptor("histogram", name, help, labels, unit, bounds), Histogram)

    # Sending -------------------------------------------------------------------------------------------------

    @property
    def flush_interval(self) -> float:
        """Seconds between two flushes. Set it at any time: what waits is sent at once, then the new interval applies.

        Raises:
            MetricError: it is not above 0 and below `ttl`.
        """
        return self._writer.flush_interval

    @flush_interval.setter
    def flush_interval(self, seconds: float) -> None:
        self._writer.flush_interval = seconds

    def flush(self, timeout: float = 10.0) -> None:
        """Return once everything recorded before this call is acknowledged by Redis.

        Raises:
            FlushError: it is not within `timeout` seconds. Nothing is lost; the writer keeps trying.
        """
        self._writer.flush(timeout)

    def close(self, timeout: float = 5.0) -> None:
        """Flush for the last time and end the flush thread. A second call does nothing.

        Raises:
            FlushError: Redis did not acknowledge everything within `timeout` seconds; the rest is lost.
        """
        self._writer.close(timeout)

    def stats(self) -> WriterStats:
        """Return what this writer has recorded, written and dropped so far."""
        return self._writer.stats()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
