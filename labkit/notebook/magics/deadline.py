"""One time limit for everything that a magic waits for, however many waits that are.

The work runs in a thread of its own: no wait within it, for a name, a connection or half an answer, can hold up an
interrupt or the end of the time. A thread that is left behind ends with its own waits.
"""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from time import monotonic
from typing import TypeVar

NAME = "labkit-asking"
TIMEOUT = 10.0  # seconds that a magic waits

T = TypeVar("T")


class Deadline:
    """A limit that begins now, in seconds."""

    def __init__(self, limit: float) -> None:
        self.limit, self._began = limit, monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return monotonic() - self._began

    def run(self, work: Callable[[], T], *, reserve: float = 0.0) -> T:
        """Return what `work()` returns, or raise what it raises.

        Args:
            work: is left alone when the time is over.
            reserve: seconds to be kept for what comes after it.

        Raises:
            TimeoutError: it takes longer than what is left of the limit.
        """
        done: Future[T] = Future()
        Thread(target=_settle, args=(done, work), name=NAME, daemon=True).start()
        return done.result(max(0.0, self.limit - reserve - self.elapsed))


def _settle(done: "Future[T]", work: Callable[[], T]) -> None:
    try:
        done.set_result(work())
    except BaseException as error:  # raised where the result is awaited
        done.set_exception(error)
