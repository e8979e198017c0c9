"""Batch: the thread that collects and flushes for one process, and its clock.

Whoever asks it for something may be a signal handler or a finalizer, whatever that has interrupted: a SimpleQueue's
`put` may be interrupted and entered again. The locks inside threading's Event and Condition would be held for ever by
the code below the handler.
"""

import logging
import os
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread, get_ident
from time import monotonic, perf_counter

from redis.exceptions import RedisError

from labkit.keyspace.connection import take_apart
from labkit.writer.attempts import Attempts
from labkit.writer.collector import Collector
from labkit.writer.delivery import Delivery
from labkit.writer.probe import Probe
from labkit.writer.registry import Registry
from labkit.writer.request import Request
from labkit.writer.self_metrics import SelfMetrics, WriterStats

log = logging.getLogger("labkit")

# Time between two folds of the lists, s; longer with many series, as checking them all takes time.
FOLD_INTERVAL, FOLD_INTERVAL_PER_SERIES = 0.1, 5e-6


class Worker:
    """Collects what is recorded to `registry` and has it delivered, in this process.

    `probe` asks a server that is away whether it is back. `is_needed` says after each flush whether anybody may still
    record; if not, the thread ends with a last flush. `clock` counts seconds and never goes back.
    """

    def __init__(  # noqa: PLR0913  what it is made of
        self,
        registry: Registry,
        self_metrics: SelfMetrics,
        delivery: Delivery,
        probe: Probe,
        *,
        is_needed: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.pid = os.getpid()
        self._registry, self._self_metrics, self._delivery = registry, self_metrics, delivery
        self._probe, self._is_needed, self._clock = probe, is_needed, clock
        self.outbox = delivery.outbox
        # Used from the next flush on: until then, batches and their due times go by those that the outbox has.
        self.options = self.outbox.options
        self._collector = Collector(registry, self.outbox, self_metrics, delivery.scripts.keys_like, clock)
        self._attempts = Attempts(probe, self.options.flush_interval, clock)
        self._last_flush = clock()
        self._requests: SimpleQueue[Request] = SimpleQueue()
        self._waiting: list[Request] = []
        self._stopping = self._ended = False
        self._thread: Thread | None = None

    @property
    def is_started(self) -> bool:
        return self._thread is not None

    @property
    def is_current(self) -> bool:
        """Whether the caller is this thread: a finalizer may be, or a handler of the log."""
        return self._thread is not None and self._thread.ident == get_ident()

    @property
    def last_error(self) -> str:
        """Why the last attempt to flush failed; empty if it did not."""
        return self._attempts.last_error

    def start(self) -> None:
        """Start the thread.

        Raises:
            RuntimeError: the system, or the end of the interpreter, allows no more threads.
        """
        self._thread = Thread(target=self._run, name="labkit-flush", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._thread = None
            raise

    def ask(self) -> Request:
        """Have everything sent at once. That is tried once: if it fails, the request waits like everything else."""
        request = Request()
        self._requests.put(request)
        if self._ended:
            # It may have come too late to be found.
            self._answer_the_late()
        return request

    def stop(self) -> None:
        """Have the thread end with a last flush."""
        self._stopping = True
        self._requests.put(Request())

    def join(self, timeout: float) -> None:
        """Wait for its end, at most `timeout` seconds. A thread that still waits for an answer ends after that."""
        if self._thread and not self.is_current:
            self._thread.join(max(0.0, timeout))

    def take_apart(self) -> None:
        """Close its connections; in a forked child, too, which has inherited those of its parent."""
        for client in (self._delivery.scripts.client, self._probe.client):
            take_apart(client)

    def stats(self) -> WriterStats:
        """Return what has been done so far; exact while nothing is recorded or flushed."""
        counted, series = self._self_metrics, self._registry.series()
        unfolded = sum(len(one.records) for one in series)
        return WriterStats(
            series=len(series),
            recorded=self._collector.folded + unfolded,
            written=counted.written,
            dropped=dict(counted.dropped),
            pending=unfolded + sum(one.folded for one in series) + self.outbox.records,
            batches=dict(counted.batches),
            missing=counted.missing,
            histograms_folded=counted.histograms_folded,
            overflows=self._registry.overflows,
            flushes=counted.flushes,
            flush_seconds=counted.flush_seconds,
            seconds_since_flush=self._clock() - self._last_flush,
            seconds_to_next_try=self._attempts.next_in,
            last_error=self.last_error,
        )

    # In the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping:
            asked = self._wait()
            try:
                self._tick(asked)
            except Exception:
                # MemoryError, for one. A writer without its thread would keep everything and send nothing.
                log.exception("Unexpected error in the flush thread; it keeps running.")
        if not self._attempts.failures:
            self.finish()
        self._ended = True
        self._answer(not self._attempts.failures)
        self._answer_the_late()
        self.take_apart()

    def _wait(self) -> bool:
        fold_interval = max(FOLD_INTERVAL, FOLD_INTERVAL_PER_SERIES * len(self._registry))
        asked = self._next_request(min(fold_interval, self._due_in))
        # One may come just as the wait ends without one.
        while self._next_request(0):
            asked = True
        return asked

    @property
    def _due_in(self) -> float:
        return max(0.0, self._attempts.due_at - self._clock())

    def _next_request(self, timeout: float) -> bool:
        try:
            self._waiting.append(self._requests.get(timeout=timeout))
        except Empty:
            return False
        return True

    def _tick(self, asked: bool) -> None:
        self.fold()
        self._attempts.look(self.options.flush_interval)
        if asked or not self._due_in:
            self.flush()
            if not self._attempts.failures:
                self._answer(True)
            self._waiting = [request for request in self._waiting if not request.given_up]
            self._stopping = self._stopping or not self._is_needed()

    def _answer(self, served: bool) -> None:
        waiting, self._waiting = self._waiting, []
        for request in waiting:
            request.answer(served)

    def _answer_the_late(self) -> None:
        try:
            while True:
                self._requests.get_nowait().answer(not self._attempts.failures)
        except Empty:
            pass

    def fold(self) -> None:
        """Fold what was recorded since the last time."""
        self._collector.fold()

    def finish(self) -> None:
        """Flush for the last time: what came in meanwhile, and that this writer's entries in shared gauges end."""
        self._collector.withdraw()
        self.flush()

    def flush(self) -> float:
        """Send everything; return how long to wait until the next time, in seconds."""
        started = perf_counter()
        try:
            self._collector.settle()
            self._use_options()
            self._delivery.deliver(self._collector.freeze())
        except (RedisError, OSError) as error:
            return self._failed(error)
        except Exception as error:
            log.exception("The flush failed unexpectedly.")
            return self._failed(error)
        return self._succeeded(perf_counter() - started)

    def _use_options(self) -> None:
        if self.outbox.options is not self.options:
            self._collector.renew_shared()
            self.outbox.options = self.options

    def _succeeded(self, seconds: float) -> float:
        if self._attempts.failures:
            log.warning("%s answers again after %d failed attempts.", self._delivery.where, self._attempts.failures)
        now, registry = self._clock(), self._registry
        since, self._last_flush = now - self._last_flush, now
        wait = self._attempts.succeeded(self.options.flush_interval)
        self._self_metrics.flush(seconds, since, self.outbox.series, len(registry), registry.overflows)
        return wait

    def _failed(self, error: Exception) -> float:
        wait = self._attempts.failed(error, self.options.flush_interval)
        self._self_metrics.fail()
        if self._attempts.failures == 1:
            log.warning("%s: %s. Recording continues; nothing is lost.", self._delivery.where, self.last_error)
        return wait
