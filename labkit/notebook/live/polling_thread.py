"""The thread of a live figure: at work while somebody looks, and gone by itself when nobody does."""

from collections.abc import Callable
from threading import Event, Lock, Thread
from time import monotonic
from weakref import WeakMethod

NAME = "labkit-live"


class PollingThread:
    """Calls the method `work` every `every` seconds in a thread, as long as the quick method `wanted` says so.

    It holds only weak references to them.
    """

    def __init__(self, work: Callable[[], None], wanted: Callable[[], bool], every: float) -> None:
        self._work, self._wanted, self._every = WeakMethod(work), WeakMethod(wanted), every
        self._lock, self._wake = Lock(), Event()
        self._thread: Thread | None = None

    @property
    def running(self) -> bool:
        return self._thread is not None

    def start(self) -> None:
        """Start the thread, unless it runs."""
        with self._lock:
            if self._thread is None:
                # A daemon: nobody waits for it at the end of a kernel.
                self._thread = Thread(target=self._run, name=NAME, daemon=True)
                self._thread.start()

    def wake(self) -> None:
        """Work at once instead of at the next time."""
        self._wake.set()

    def _run(self) -> None:
        due = monotonic()
        try:
            while self._goes_on():
                self._step()
                # What took too long is left out, not made up for.
                due = max(due + self._every, monotonic())
                self._wake.wait(due - monotonic())
                self._wake.clear()
        except BaseException:
            # The next one who looks starts it again.
            with self._lock:
                self._thread = None
            raise

    def _step(self) -> None:
        if work := self._work():
            work()

    def _goes_on(self) -> bool:
        with self._lock:
            wanted = self._wanted()
            goes_on = wanted is not None and wanted()
            if not goes_on:
                self._thread = None
            return goes_on
