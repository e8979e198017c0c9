"""What can happen to a service while the lab runs: it crashes, hangs or ends, and comes back."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from labkit.stack import processes
from labkit.stack.lab import END_TIMEOUT, Lab
from labkit.stack.processes import wait_until
from labkit.stack.services import require_service


class Faults:
    """Breaks the services of a lab, each by its name, and mends them."""

    _lab: Lab

    def kill(self, service: str) -> None:
        """End a service as a crash would (SIGKILL), and return when it is gone. It stays dead until `start`."""
        processes.send([self._lab.running_process(require_service(service))], signal.SIGKILL)
        self._lab.await_end(service)

    def pause(self, service: str) -> None:
        """Make a service hang (SIGSTOP): its port is open, nothing answers. `resume` wakes it."""
        process = self._lab.running_process(require_service(service))
        processes.send([process], signal.SIGSTOP)
        wait_until(lambda: processes.is_paused(process.pid), END_TIMEOUT)

    def resume(self, service: str) -> None:
        """Wake a paused service (SIGCONT), and return once it answers."""
        processes.send([self._lab.running_process(require_service(service))], signal.SIGCONT)
        self._lab.await_ready(service)

    def stop(self, service: str) -> None:
        """End a service in good order (SIGTERM, and SIGKILL after 5 s), and return when it is gone."""
        self._lab.wake(require_service(service))
        self._lab.stop(service)

    def start(self, service: str) -> None:
        """Start a service that is dead, or wake one that is paused, and return once it answers.

        Raises:
            ServiceFailed: it ended, or did not answer in time; the message has the end of its log.
        """
        self._lab.ensure_running(require_service(service))
        self._lab.await_ready(service)

    @contextmanager
    def stopped(self, service: str) -> Iterator[Self]:
        """Run a block while a service is stopped; afterwards it answers again."""
        self.stop(service)
        try:
            yield self
        finally:
            self.start(service)

    @contextmanager
    def paused(self, service: str) -> Iterator[Self]:
        """Run a block while a service hangs; afterwards it answers again."""
        self.pause(service)
        try:
            yield self
        finally:
            self.resume(service)
