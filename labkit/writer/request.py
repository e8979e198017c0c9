"""Batch: a request to flush, and the wait for its answer.

It waits on a lock of its own, so that a signal handler may do it, too; see `worker`.
"""

from threading import TIMEOUT_MAX, Lock


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
