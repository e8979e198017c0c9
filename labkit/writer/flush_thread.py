"""Batch: the thread that folds and flushes for one process.

Whoever waits for it waits on a lock of its own, and asks through a queue whose `put` may be interrupted and entered
again. So everything here may be called by a signal handler or a finalizer, whatever it has interrupted: the locks
inside threading's Event and Condition would be held for ever by the code below the handler.
"""

import logging
import os
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import TIMEOUT_MAX, Lock, Thread, get_ident

import redis

from labkit.keyspace.connection import take_apart
from labkit.writer.flusher import Flusher

log = logging.getLogger("labkit")

# Time between two folds of the lists, s; longer with many series, as checking them all takes time.
FOLD_INTERVAL, FOLD_INTERVAL_PER_SERIES = 0.1, 5e-6


class Request:
    """Waits until everything that was recorded before it was made is acknowledged."""

    def __init__(self) -> None:
        self._unanswered = Lock()
        self._unanswered.acquire()
        self._served = self.given_up = False

    def wait(self, timeout: float) -> bool:
        """Return whether it was served within `timeout` seconds."""
        try:
            return self._unanswered.acquire(timeout=min(max(timeout, 0.0), TIMEOUT_MAX)) and self._served
        finally:
            self.given_up = True

    def answer(self, served: bool) -> None:
        self._served = served
        self._unanswered.release()


class FlushThread:
    """Runs `flusher` in this process, and takes its `clients` apart in the end.

    `is_needed` says after each flush whether anybody may still record; if not, the thread ends with a last flush.
    """

    def __init__(
        self, flusher: Flusher, clients: Sequence[redis.Redis], series: Callable[[], int], is_needed: Callable[[], bool]
    ) -> None:
        self.pid = os.getpid()
        self.flusher, self.options = flusher, flusher.options
        self._clients, self._series, self._is_needed = clients, series, is_needed
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

    def start(self) -> None:
        """Start it.

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
        """Have it end with a last flush."""
        self._stopping = True
        self._requests.put(Request())

    def join(self, timeout: float) -> None:
        """Wait for its end, at most `timeout` seconds. A thread that still waits for an answer ends after that."""
        if self._thread and not self.is_current:
            self._thread.join(max(0.0, timeout))

    def take_apart(self) -> None:
        """Close its connections; in a forked child, too, which has inherited those of its parent."""
        for client in self._clients:
            take_apart(client)

    # In the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping:
            asked = self._wait()
            try:
                self._tick(asked)
            except Exception:
                # MemoryError, for one. A writer without its thread would keep everything and send nothing.
                log.exception("Unexpected error in the flush thread; it keeps running.")
        self._end()

    def _wait(self) -> bool:
        fold_interval = max(FOLD_INTERVAL, FOLD_INTERVAL_PER_SERIES * self._series())
        asked = self._next_request(min(fold_interval, self.flusher.due_in))
        # One may come just as the wait ends without one.
        while self._next_request(0):
            asked = True
        return asked

    def _next_request(self, timeout: float) -> bool:
        try:
            self._waiting.append(self._requests.get(timeout=timeout))
        except Empty:
            return False
        return True

    def _tick(self, asked: bool) -> None:
        self.flusher.fold()
        self.flusher.look()
        if asked or not self.flusher.due_in:
            if self.flusher.options is not self.options:
                self.flusher.retime(self.options)
            self.flusher.flush()
            if not self.flusher.failures:
                self._answer(True)
            self._waiting = [request for request in self._waiting if not request.given_up]
            self._stopping = self._stopping or not self._is_needed()

    def _answer(self, served: bool) -> None:
        waiting, self._waiting = self._waiting, []
        for request in waiting:
            request.answer(served)

    def _end(self) -> None:
        if not self.flusher.failures:
            self.flusher.finish()
        self._ended = True
        self._answer(not self.flusher.failures)
        self._answer_the_late()
        self.take_apart()

    def _answer_the_late(self) -> None:
        try:
            while True:
                self._requests.get_nowait().answer(not self.flusher.failures)
        except Empty:
            pass
