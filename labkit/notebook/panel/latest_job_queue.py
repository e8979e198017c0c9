"""The jobs that people ask the panel for: they run in background threads, and their errors are reported."""

from collections.abc import Callable
from threading import Lock, Thread

Job = Callable[[], None]


class LatestJobQueue:
    """Runs one job at a time for each subject, in a background thread; of the jobs that wait, only the latest is kept.

    A slider that is moved five times runs the job of its last position, and skips those between.
    """

    def __init__(self, failed: Callable[[str, Exception], None], changed: Callable[[], None]) -> None:
        self._failed, self._changed = failed, changed
        self._lock = Lock()
        self._waiting: dict[str, Job | None] = {}

    @property
    def busy(self) -> list[str]:
        """The subjects whose jobs are running."""
        with self._lock:
            return sorted(self._waiting)

    def submit(self, subject: str, job: Job) -> None:
        """Run the job when no other runs for the same subject, instead of one that waits."""
        with self._lock:
            is_running = subject in self._waiting
            self._waiting[subject] = job
        if not is_running:
            # A daemon: the end of a run does not wait for it.
            Thread(target=self._work, args=(subject,), name=f"labkit-controls-{subject}", daemon=True).start()
            self._changed()

    def _work(self, subject: str) -> None:
        while job := self._next(subject):
            try:
                job()
            except Exception as error:  # reported to the person who asked, whatever it is
                self._failed(subject, error)
        self._changed()

    def _next(self, subject: str) -> Job | None:
        with self._lock:
            job = self._waiting.pop(subject)
            if job:
                self._waiting[subject] = None
            return job
