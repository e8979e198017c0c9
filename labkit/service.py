"""Batch: `RedisMetricsService`, the writer that an application records to.

Application threads append; one flush thread folds what they appended several times a second, and sends what changed
to Redis every `flush_interval`, as batches that are applied at most once.
"""

import atexit
import logging
import os
import random
import weakref
from collections.abc import Iterable, Sequence
from math import inf
from threading import Condition, Event, Thread
from time import monotonic, perf_counter, sleep
from types import TracebackType
from typing import Self

from redis.exceptions import RedisError, ResponseError

from labkit.backoff import next_backoff
from labkit.batch import Outbox
from labkit.connection import DEFAULT_URL, connect, redact
from labkit.declaration import DEFAULT_BUCKETS, Declaration, Shared
from labkit.errors import FlushError, MetricError
from labkit.keys import Keys
from labkit.metrics import LEASE, SLICE, Counter, Gauge, Histogram, Metric
from labkit.registry import Registry
from labkit.scripts import FlushReply, WriteScripts
from labkit.telemetry import Telemetry

log = logging.getLogger("labkit")

FOLD_INTERVAL = 0.1
BATCHES_PER_ROUND_TRIP = 16


class RedisMetricsService:
    """Records metrics in memory and writes them to Redis, without ever making the application wait.

    All durations are in seconds. Redis may be away at any time, also at the start: recording goes on, memory is
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

    Raises:
        ConnectionFailed: the URL is malformed.
        MetricError: an option makes no sense.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        flush_interval: float = 5.0,
        ttl: float = 1800,
        prefix: str = "metrics",
        max_series: int = 100_000,
    ) -> None:
        if not 0 < flush_interval < ttl:
            raise MetricError(f"flush_interval={flush_interval} s must be above 0 and below ttl={ttl} s.")
        self._url, self._flush_interval, self._ttl = url, flush_interval, ttl
        self._keys = Keys(prefix)
        self._registry = Registry(self._keys, max_series)
        self._client = connect(url)
        self._closed = False
        self._telemetry = Telemetry(self)
        self._start()
        _living.add(self)

    def __repr__(self) -> str:
        url, prefix = redact(self._url), self._keys.prefix
        return f"RedisMetricsService({url!r}, prefix={prefix!r}, series={len(self._registry)})"

    # Declaring -----------------------------------------------------------------------------------------------

    def counter(self, name: str, help: str, labels: Sequence[str] = ()) -> Counter:  # noqa: A002  the API follows prometheus_client
        """Declare a total that only grows. Its name is exposed as it is declared.

        Raises:
            MetricError: a name is not allowed, or the metric is already declared differently.
        """
        return self._registry.declare(Declaration("counter", name, help, tuple(labels)), Counter)

    def gauge(self, name: str, help: str, labels: Sequence[str] = (), *, shared: Shared = "last") -> Gauge:  # noqa: A002
        """Declare a value that goes up and down; `shared` says what several processes make of it (see `Gauge`).

        Raises:
            MetricError: as for `counter`.
        """
        return self._registry.declare(Declaration("gauge", name, help, tuple(labels), shared=shared), Gauge)

    def histogram(
        self,
        name: str,
        help: str,  # noqa: A002
        labels: Sequence[str] = (),
        *,
        buckets: Iterable[float] = DEFAULT_BUCKETS,
        unit: str = "",
    ) -> Histogram:
        """Declare a distribution over `buckets`: ascending upper bounds in `unit`; +Inf is implied.

        Raises:
            MetricError: as for `counter`, or the buckets are not finite and ascending.
        """
        bounds = tuple(float(bound) for bound in buckets)
        while bounds and bounds[-1] == float("inf"):
            bounds = bounds[:-1]
        return self._registry.declare(
            Declaration("histogram", name, help, tuple(labels), unit=unit, buckets=bounds), Histogram
        )

    # Sending -------------------------------------------------------------------------------------------------

    def flush(self, timeout: float = 10.0) -> None:
        """Return once everything recorded before this call is acknowledged by Redis.

        Raises:
            FlushError: it is not, after `timeout` seconds. Nothing is lost; the writer keeps trying.
        """
        if self._closed:
            raise FlushError("The service is closed; what is recorded now is sent nowhere.")
        with self._answered:
            self._tickets += 1
            ticket = self._tickets
            self._wake.set()
            if not self._answered.wait_for(lambda: self._served >= ticket, timeout):
                raise FlushError(self._why_not(timeout))

    def close(self, timeout: float = 5.0) -> None:
        """Flush for the last time and end the flush thread. A second call does nothing.

        Raises:
            FlushError: Redis did not acknowledge everything within `timeout` seconds; the rest is lost now.
        """
        if self._closed:
            return
        try:
            self.flush(timeout)
        finally:
            self._closed = True
            _living.discard(self)
            self._stopping.set()
            self._wake.set()
            self._thread.join(timeout)
            self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # The flush thread ------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._outbox = Outbox(self._ttl)
        self._scripts = WriteScripts(self._client, self._keys)
        self._epoch = ""
        self._announced: set[str] = set()
        self._complained: set[str] = set()
        self._failures = 0
        self._last_error = "no attempt yet"
        self._last_flush = monotonic()
        # flush() draws a ticket; the flush thread notes the last one it tried, and the last one it served.
        self._tickets = self._tried = self._served = 0
        self._answered = Condition()
        self._wake, self._stopping = Event(), Event()
        self._thread = Thread(target=self._run, name="labkit-flush", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        next_flush = monotonic() + self._flush_interval
        while not self._stopping.is_set():
            self._wake.wait(min(FOLD_INTERVAL, max(0.0, next_flush - monotonic())))
            self._wake.clear()
            self._fold()
            # A request is tried at once, and once: what fails then waits its time like everything else. It is known
            # by its ticket, because a wake may come between the two lines above and be lost.
            if monotonic() >= next_flush or self._tickets > self._tried:
                next_flush = monotonic() + self._flush_once()

    def _flush_once(self) -> float:
        """Send all there is; return how long to wait until the next time, in seconds."""
        ticket, started = self._tickets, perf_counter()
        self._tried = ticket
        try:
            self._deliver()
            self._fold()
            self._freeze()
            self._deliver()
        except (RedisError, OSError) as error:
            return self._failed(error)
        self._succeeded(ticket, perf_counter() - started)
        return self._flush_interval

    def _fold(self) -> None:
        folded = 0
        for series in [series for _, series in self._registry.series() if series.records]:
            # As many slices as there are now: an application that never pauses must not keep us here.
            for _ in range(0, len(series.records), SLICE):
                folded += series.fold()
                if folded >= SLICE:
                    sleep(0)
                    folded = 0

    def _freeze(self) -> None:
        now, operations = monotonic(), []
        for key, series in self._registry.series():
            if series.changed or now >= series.due_at:
                series.changed, series.due_at = False, now + self._refresh_after(series)
                operation = series.take()
                if operation is None:
                    self._drop(key, "overflow")
                else:
                    operations.append((series.declaration.name, key, operation))
        self._add_to_outbox(operations)

    def _add_to_outbox(self, operations: list[tuple[str, str, str]]) -> None:
        unannounced = {name for name, _, _ in operations} - self._announced
        self._announced |= unannounced
        self._outbox.add([(key, operation) for _, key, operation in operations], self._registry.metadata(unannounced))

    def _refresh_after(self, series: Metric) -> float:
        return self._ttl / 3 if series.declaration.shared == "last" else min(LEASE, self._ttl) / 3

    def _deliver(self) -> None:
        """Send the outbox until it is empty.

        Raises:
            RedisError, OSError: Redis is away or refuses; the rest stays in the outbox.
        """
        while self._outbox:
            replies = self._scripts.flush(self._outbox.oldest(BATCHES_PER_ROUND_TRIP))
            for reply in replies:
                if isinstance(reply, ResponseError):
                    raise reply
                if reply.status == "gap":
                    self._close_gap(reply)
                    break
                self._acknowledge(reply)

    def _acknowledge(self, reply: FlushReply) -> None:
        batch = self._outbox.acknowledge()
        self._telemetry.batches[reply.status].inc()
        for key, reason in reply.skipped.items():
            self._drop(key, reason)
        if reply.folded:
            self._telemetry.folded.inc(len(reply.folded))
        if batch.number > 1 and not reply.known:
            self._was_forgotten(batch.number - 1)
        if reply.epoch != self._epoch:
            self._meet(reply.epoch)

    def _close_gap(self, reply: FlushReply) -> None:
        # Without a fence the server lost all it knew of us: what waits goes again, and is applied.
        if reply.fence is not None:
            self._was_forgotten(self._outbox.start_over(reply.fence))

    def _was_forgotten(self, batches: int) -> None:
        # With the numbers went the series that were new in them, and what their metrics mean.
        self._telemetry.batches["forgotten"].inc(batches)
        log.warning("%s came back with an older state and forgot %d batches.", redact(self._url), batches)
        self._write_all_again()

    def _meet(self, epoch: str) -> None:
        """Greet a server that is new to us, or has lost its data: it needs all series and what they mean."""
        if self._epoch:
            log.warning("%s has lost its data; all series are written again.", redact(self._url))
            self._write_all_again()
        self._epoch = epoch

    def _write_all_again(self) -> None:
        self._announced.clear()
        for _, series in self._registry.series():
            series.due_at = -inf

    def _drop(self, key: str, reason: str) -> None:
        self._telemetry.dropped.labels(reason=reason).inc()
        if key in self._complained:
            return
        self._complained.add(key)
        log.warning("%s could not be written: %s. Delete the key, or give the metric another name.", key, reason)

    def _succeeded(self, ticket: int, seconds: float) -> None:
        if self._failures:
            log.warning("%s answers again after %d failed attempts.", redact(self._url), self._failures)
        now, self._failures = monotonic(), 0
        self._telemetry.age.set(now - self._last_flush)
        self._telemetry.pending.set(self._outbox.pending_series)
        self._telemetry.held.set(len(self._registry))
        self._telemetry.overflows.set(self._registry.overflows)
        self._telemetry.flush_seconds.observe(seconds)
        self._last_flush = now
        with self._answered:
            self._served = ticket
            self._answered.notify_all()

    def _failed(self, error: Exception) -> float:
        self._failures += 1
        self._last_error = str(error).rstrip(".") or type(error).__name__
        self._telemetry.batches["failed"].inc()
        if self._failures == 1:
            log.warning("%s: %s. Recording goes on; nothing is lost.", redact(self._url), self._last_error)
        return next_backoff(self._failures, min(0.5, self._flush_interval), random.random())  # noqa: S311  no secret

    def _why_not(self, timeout: float) -> str:
        return (
            f"{redact(self._url)} did not acknowledge everything within {timeout:g} s ({self._last_error}). "
            "Is the server up? The writer keeps what was recorded and keeps trying."
        )

    def _after_fork(self) -> None:
        # Threads and sockets do not survive a fork, and what waits to be sent is the parent's to send.
        self._client = connect(self._url)
        self._registry.after_fork()
        self._start()


_living: "weakref.WeakSet[RedisMetricsService]" = weakref.WeakSet()


def _renew_after_fork() -> None:
    for service in list(_living):
        service._after_fork()


def _close_at_exit() -> None:
    for service in list(_living):
        try:
            service.close()
        except FlushError as error:
            log.warning("At exit: %s", error)


os.register_at_fork(after_in_child=_renew_after_fork)
atexit.register(_close_at_exit)
