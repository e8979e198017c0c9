"""What people ask the panel for: done beside the kernel's own work, and the errors told."""

from collections.abc import Callable
from threading import Lock, Thread

Job = Callable[[], None]


class LatestJobQueue:
    """Runs jobs in threads of their own: one at a time for each subject, the latest wish first.

    Who moves a slider five times wants the last place; the wishes between are never done.
    """

    def __init__(self, failed: Callable[[str, Exception], None], changed: Callable[[], None]) -> None:
        self._failed, self._changed = failed, changed
        self._lock = Lock()
        self._wanted: dict[str, Job | None] = {}

    @property
    def busy(self) -> list[str]:
        """The subjects on which somebody is at work."""
        with self._lock:
            return sorted(self._wanted)

    def submit(self, subject: str, job: Job) -> None:
        """Do the job as soon as nobody is at work on the same subject."""
        with self._lock:
            at_work = subject in self._wanted
            self._wanted[subject] = job
        if not at_work:
            # A daemon: nobody waits for it at the end of a run.
            Thread(target=self._work, args=(subject,), name=f"labkit-controls-{subject}", daemon=True).start()
            self._changed()

    def _work(self, subject: str) -> None:
        while job := self._next(subject):
            try:
                job()
            except Exception as error:  # told to the person who asked, whatever it is
                self._failed(subject, error)
        self._changed()

    def _next(self, subject: str) -> Job | None:
        with self._lock:
            job = self._wanted[subject]
            if job is None:
                del self._wanted[subject]
            else:
                self._wanted[subject] = None
            return job
