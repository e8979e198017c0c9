"""Batch: what a service is in this process: its metrics, its connection and its flush thread.

It outlives the service object while somebody may still record to one of its metrics, starts anew in a forked child,
and is closed when the process ends.
"""

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from time import monotonic

from labkit.errors import FlushError
from labkit.keyspace.connection import Endpoint
from labkit.keyspace.keys import Keys
from labkit.writer.batch import Outbox
from labkit.writer.delivery import Delivery
from labkit.writer.holders import is_held
from labkit.writer.lifetime import living, release, watch
from labkit.writer.options import WriterOptions
from labkit.writer.probe import Probe, questioner
from labkit.writer.registry import Registry
from labkit.writer.scripts import WriteScripts
from labkit.writer.self_metrics import SelfMetrics, WriterStats
from labkit.writer.worker import Worker

log = logging.getLogger("labkit")

# How long two writers may do the same before that is worth a warning, s. A cell that is run again makes the new one
# before it lets go of the old one and its metrics.
PATIENCE = 10.0


class Writer:
    """Sends what is recorded to `registry`, from the process that it is in.

    `service` returns the service object while there is one.
    """

    def __init__(  # noqa: PLR0913  what it is made of
        self,
        *,
        endpoint: Endpoint,
        keys: Keys,
        registry: Registry,
        self_metrics: SelfMetrics,
        options: WriterOptions,
        service: Callable[[], object | None],
    ) -> None:
        self._endpoint, self._where, self._keys = endpoint, endpoint.shown, keys
        self._registry, self._self_metrics, self._options = registry, self_metrics, options
        self._service = service
        self.closed = self._refused = self._named = False
        self._replaced_at: float | None = None
        self._restarts: dict[int, object] = {}
        self._begin()
        self._worker.start()
        registry.before_new_series = self._current_worker
        self._replace_others()
        watch(self)

    def __repr__(self) -> str:
        return f"RedisMetricsService({self._where!r}, prefix={self._keys.prefix!r}, series={len(self._registry)})"

    @property
    def flush_interval(self) -> float:
        return self._options.flush_interval

    @flush_interval.setter
    def flush_interval(self, seconds: float) -> None:
        worker = self._current_worker()
        self._options = worker.options = replace(self._options, flush_interval=seconds)
        worker.ask()

    def flush(self, timeout: float) -> None:
        """Return once everything recorded before this call is acknowledged; the errors of the service's `flush`."""
        if self.closed:
            raise FlushError("The service is closed: new records are discarded.")
        worker = self._current_worker()
        if worker.is_current:
            raise FlushError("The flush thread cannot wait for itself: flush from another one.")
        if not worker.ask().wait(timeout):
            raise FlushError(f"{self._why_not(timeout)} The writer keeps what was recorded and keeps trying.")

    def close(self, timeout: float = 5.0) -> None:
        """Flush for the last time and end; the errors of the service's `close`."""
        if self.closed:
            return
        deadline, worker = monotonic() + timeout, self._current_worker()
        # An exception such as Ctrl-C leaves the service open here: closing is tried again at exit.
        served = worker.is_current or worker.ask().wait(timeout)
        if self.closed:
            # A signal handler closed it meanwhile.
            return
        self._registry.close(self._too_late)
        worker.stop()
        self.closed = True
        release(self)
        worker.join(deadline - monotonic())
        if not served:
            raise FlushError(f"{self._why_not(timeout)} What it did not acknowledge is lost.")

    def stats(self) -> WriterStats:
        return self._current_worker().stats()

    def start_anew(self) -> None:
        """Start in this process, if that was not done: neither threads nor sockets survive a fork, and what waits
        belongs to the parent.
        """
        pid, turn = os.getpid(), object()
        # Whoever comes first does it, be it a thread or a signal handler; others find it done. A lock might have been
        # held at the moment of the fork.
        if self._worker.pid != pid and self._restarts.setdefault(pid, turn) is turn:
            try:
                self._registry.after_fork()
                self._self_metrics.start()
                self._worker.take_apart()
                self._begin()
            finally:
                del self._restarts[pid]
        if not self._worker.is_started:
            self._start_thread()

    # ---------------------------------------------------------------------------------------------------------------

    def _current_worker(self) -> Worker:
        """Return the flush thread of this process. Here it is noticed that the process is another one: a program that
        forks in C, such as uWSGI, runs none of Python's hooks.
        """
        if self._worker.pid != os.getpid():
            pending = self._worker.stats().pending
            log.warning(
                "%r has found itself in another process, forked without Python's hooks. It starts anew here; %d "
                "records from before are not sent, because nobody can tell which of them are the parent's.",
                self,
                pending,
            )
            self.start_anew()
        elif not self._worker.is_started:
            self._start_thread()
        return self._worker

    def _begin(self) -> None:
        scripts = WriteScripts(self._endpoint.client(), self._keys)
        delivery = Delivery(Outbox(self._options), scripts, self._registry, self._self_metrics, self._where)
        probe = Probe(questioner(self._endpoint))
        self._worker = Worker(self._registry, self._self_metrics, delivery, probe, is_needed=self._is_needed)

    def _start_thread(self) -> None:
        try:
            self._worker.start()
        except RuntimeError as error:
            log.warning("%r has no thread to send with: %s. The next flush, stats or labels tries again.", self, error)

    def _why_not(self, timeout: float) -> str:
        last_error = self._worker.last_error or "no answer yet"
        return f"{self._where} did not acknowledge everything within {timeout:g} s ({last_error}). Is the server up?"

    def _too_late(self, _: object) -> None:
        # The last flush still records its own metrics.
        if not self._worker.is_current and not self._refused:
            self._refused = True
            log.warning("The service is closed: new records are discarded.")

    # A service that is made again ----------------------------------------------------------------------------------

    def _replace_others(self) -> None:
        for other in living():
            same = (other._where, other._keys.prefix) == (self._where, self._keys.prefix)
            if same and other._replaced_at is None:
                other._replaced_at = monotonic()

    def _is_needed(self) -> bool:
        """Asked by the flush thread: not if another one was made, and nobody has this one or any of its metrics."""
        if self._replaced_at is None:
            return True
        if self._service() is None and not is_held(self._worker):
            release(self)
            return False
        if not self._named and monotonic() - self._replaced_at > PATIENCE:
            self._named = True
            log.warning(
                "%r exists more than once in this process. Each counts in a shared gauge and has a thread and a "
                "connection of its own: make one, and share it.",
                self,
            )
        return True
