"""Start a program, wait until it is ready, signal it, end it; and what one waits for."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from labkit.stack import processes
from labkit.web.client import request


def free_port() -> int:
    """Return a TCP port on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Return whether anybody listens on a TCP port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(url: str, *statuses: int) -> bool:
    """Return whether anybody answers at a URL, with one of `statuses` if there are any."""
    try:
        status = request("GET", url).status
    except OSError:
        return False
    return status in statuses if statuses else True


def wait_until(condition: Callable[[], object], what: str, timeout: float = 60.0) -> None:
    """Return as soon as `condition()` is true; fail, naming `what`, if it is not within `timeout` seconds."""
    if not processes.wait_until(condition, timeout):
        raise AssertionError(f"{what} did not happen within {timeout:g} s")


class Process:
    """A program that runs beside us; what it prints is in a file. It is killed when a `with` block ends.

    Args:
        command: the program and its arguments.
        log: the file, which is added to.
        ready: asked again and again; the start returns once it is true, and fails if the program has ended.
        environment: added to ours.
        timeout: seconds until it must be ready.
        options: of `subprocess.Popen`.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        ready: Callable[[], object] = lambda: True,
        environment: Mapping[str, str] | None = None,
        *,
        timeout: float = 60.0,
        **options: Any,
    ) -> None:
        self._command, self._log, self._ready, self._timeout = list(command), log, ready, timeout
        self._options = {"env": os.environ | (environment or {}), **options}
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start it, again if it has ended, and return once it is ready."""
        with self._log.open("ab") as log:
            self.process: subprocess.Popen[bytes] = subprocess.Popen(
                self._command, stdout=log, stderr=log, **self._options
            )
        try:
            wait_until(self._is_ready, f"the start of {' '.join(self._command[:4])}", self._timeout)
        except BaseException:
            self.kill()
            raise

    @property
    def log(self) -> str:
        """All that it has printed."""
        return self._log.read_text()

    @property
    def pid(self) -> int:
        return self.process.pid

    def send(self, what: signal.Signals) -> None:
        self.process.send_signal(what)

    def pause(self) -> None:
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        self.send(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it, as a crash would."""
        self.process.kill()
        self.process.wait()

    def stop(self, what: signal.Signals = signal.SIGTERM, timeout: float = 30.0) -> int:
        """Let it end in good order; return its exit code."""
        self.send(what)
        return self.process.wait(timeout)

    def close(self) -> None:
        """Leave nothing of it behind."""
        self.kill()

    def _is_ready(self) -> object:
        assert self.process.poll() is None, self.log
        return self._ready()
