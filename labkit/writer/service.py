"""Batch: `RedisMetricsService`, the writer that an application records to.

Application threads append; one flush thread folds what they appended several times a second, and sends what changed
to Redis every `flush_interval`, as batches that are applied at most once.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from threading import Condition, Event, Thread, current_thread
from time import monotonic
from types import TracebackType
from typing import Self

from labkit.connection import DEFAULT_URL, connect, redact
from labkit.errors import FlushError
from labkit.keys import Keys
from labkit.writer.batch import Outbox
from labkit.writer.buckets import bounds_of
from labkit.writer.declaration import Declaration, Shared, labels_of
from labkit.writer.delivery import Delivery
from labkit.writer.flusher import Flusher
from labkit.writer.lifetime import release, watch
from labkit.writer.metrics import Counter, Gauge, Histogram
from labkit.writer.registry import Registry
from labkit.writer.scripts import WriteScripts
from labkit.writer.telemetry import Telemetry, WriterStats
from labkit.writer.timing import Timing

log = logging.getLogger("labkit")

# Time between two folds of the lists, s; longer with many series, as checking them all takes time.
FOLD_INTERVAL, FOLD_INTERVAL_PER_SERIES = 0.1, 5e-6


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
        self._timing = Timing(flush_interval, ttl, lease)
        self._url = url
        self._keys = Keys(prefix)
        self._registry = Registry(self._keys, max_series)
        self._client = connect(url)
        self._closed = self._warned = False
        self._telemetry = Telemetry(self)
        self._start()
        watch(self)

    def __repr__(self) -> str:
        url, prefix = redact(self._url), self._keys.prefix
        return f"RedisMetricsService({url!r}, prefix={prefix!r}, series={len(self._registry)})"

    # Declaring -----------------------------------------------------------------------------------------------

    def counter(self, name: str, help: str, labels: Sequence[str] = ()) -> Counter:  # noqa: A002  the API follows prometheus_client
        """Declare a total that only grows. Its name is exposed as it is declared.

        Raises:
            MetricError: a name is not allowed, or the metric is already declared differently.
        """
        return self._registry.declare(Declaration("counter", name, help, labels_of(labels, name)), Counter)

    def gauge(self, name: str, help: str, labels: Sequence[str] = (), *, shared: Shared = "last") -> Gauge:  # noqa: A002
        """Declare a value that goes up and down; `shared` says how several processes combine in it (see `Gauge`).

        Raises:
            MetricError: as for `counter`.
        """
        return self._registry.declare(Declaration("gauge", name, help, labels_of(labels, name), shared=shared), Gauge)

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
        bounds, names = bounds_of(buckets, unit, name), labels_of(labels, name)
        return self._registry.declare(Declaration("histogram", name, help, names, unit, bounds), Histogram)

    # Sending -------------------------------------------------------------------------------------------------

    @property
    def flush_interval(self) -> float:
        """Seconds between two flushes. Set it at any time: what waits is sent at once, then the new interval applies.

        Raises:
            MetricError: it is not above 0 and below `ttl`.
        """
        return self._timing.flush_interval

    @flush_interval.setter
    def flush_interval(self, seconds: float) -> None:
        self._timing = replace(self._timing, flush_interval=seconds)
        with self._answered:
            self._tickets += 1
            self._wake.set()

    def flush(self, timeout: float = 10.0) -> None:
        """Return once everything recorded before this call is acknowledged by Redis.

        Raises:
            FlushError: it is not within `timeout` seconds. Nothing is lost; the writer keeps trying.
        """
        if self._closed:
            raise FlushError("The service is closed: new records are discarded.")
        with self._answered:
            self._tickets += 1
            ticket = self._tickets
            self._wake.set()
            if not self._answered.wait_for(lambda: self._served >= ticket, timeout):
                raise FlushError(f"{self._why_not(timeout)} The writer keeps what was recorded and keeps trying.")

    def close(self, timeout: float = 5.0) -> None:
        """Flush for the last time and end the flush thread. A second call does nothing.

        Raises:
            FlushError: Redis did not acknowledge everything within `timeout` seconds; the rest is lost.
        """
        if self._closed:
            return
        deadline = monotonic() + timeout
        try:
            self.flush(timeout)
        except FlushError:
            self._end(deadline)
            raise FlushError(f"{self._why_not(timeout)} What it did not acknowledge is lost.") from None
        # Any other exception, such as Ctrl-C, leaves the service open: closing is tried again at exit.
        self._end(deadline)

    def stats(self) -> WriterStats:
        """Return what this writer has recorded, written and dropped so far."""
        return self._flusher.stats()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # The flush thread ------------------------------------------------------------------------------------------

    def _start(self) -> None:
        scripts = WriteScripts(self._client, self._keys)
        delivery = Delivery(Outbox(self._timing), scripts, self._registry, self._telemetry, redact(self._url))
        self._flusher = Flusher(delivery, self._registry, self._telemetry, self._timing)
        # flush() draws a ticket; the flush thread notes the last one it tried, and the last one it served.
        self._tickets = self._tried = self._served = 0
        self._answered = Condition()
        self._wake, self._stopping = Event(), Event()
        self._thread = Thread(target=self._run, name="labkit-flush", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._next_flush = monotonic() + self._timing.flush_interval
        while not self._stopping.is_set():
            self._wake.wait(min(self._fold_interval(), max(0.0, self._next_flush - monotonic())))
            self._wake.clear()
            try:
                self._tick()
            except Exception:
                # MemoryError, for one. A writer without its thread would keep everything and send nothing.
                log.exception("Unexpected error in the flush thread; it keeps running.")
        if not self._flusher.failures:
            self._flusher.finish()

    def _tick(self) -> None:
        self._flusher.fold()
        # A request is tried at once, but only once: if it fails, it waits like everything else. It is known by its
        # ticket, because a wake-up may come just before it is cleared, and be lost.
        if monotonic() >= self._next_flush or self._tickets > self._tried:
            self._retime()
            self._next_flush = monotonic() + self._flush_once()

    def _retime(self) -> None:
        # Done here, because what the flusher holds belongs to the flush thread.
        if self._flusher.timing is not self._timing:
            self._flusher.retime(self._timing)

    def _fold_interval(self) -> float:
        return max(FOLD_INTERVAL, FOLD_INTERVAL_PER_SERIES * len(self._registry))

    def _flush_once(self) -> float:
        ticket = self._tried = self._tickets
        wait = self._flusher.flush()
        if not self._flusher.failures:
            with self._answered:
                self._served = ticket
                self._answered.notify_all()
        return wait

    def _why_not(self, timeout: float) -> str:
        return (
            f"{redact(self._url)} did not acknowledge everything within {timeout:g} s "
            f"({self._flusher.last_error or 'no answer yet'}). Is the server up?"
        )

    def _end(self, deadline: float) -> None:
        self._closed = True
        release(self)
        self._registry.close(self._too_late)
        self._stopping.set()
        self._wake.set()
        self._thread.join(max(0.0, deadline - monotonic()))
        # A thread that still waits for an answer keeps its connection, and ends with it.
        if not self._thread.is_alive():
            self._client.close()

    def _too_late(self, _: object) -> None:
        # The last flush still records its own metrics.
        if current_thread() is not self._thread and not self._warned:
            self._warned = True
            log.warning("The service is closed: new records are discarded.")

    def after_fork(self) -> None:
        """Start anew in the child: threads and sockets do not survive a fork, and what waits belongs to the parent."""
        self._client = connect(self._url)
        self._registry.after_fork()
        self._telemetry.start()
        self._start()
