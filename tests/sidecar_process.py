"""A real sidecar that a test may signal: the process that `labkit exporter` is."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.redis_server import free_port, wait_until


class SidecarProcess:
    """One `labkit exporter` on a free port of the loopback interface; its log is in `folder`, where it runs."""

    def __init__(self, redis_url: str, folder: Path, *options: str, **environment: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / "sidecar.log"
        command = [sys.executable, "-m", "labkit", "exporter", "--listen", f"127.0.0.1:{self.port}", *options]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                stdout=log,
                stderr=log,
                env=os.environ | {"LABKIT_REDIS_URL": redis_url} | environment,
            )
        wait_until(self._listens, "the sidecar's start")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def log(self) -> str:
        return self._log.read_text()

    def hang_up(self, until: str) -> None:
        """Send SIGHUP, and wait until the log has `until` once more."""
        before = self.log.count(until)
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.log.count(until) > before, f"{until!r} in the log")

    def _listens(self) -> bool:
        assert self.process.poll() is None, self.log
        # The port is bound before anything else starts, so ask for a page.
        return "shows" in self.log and _connects(self.port)


def _connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
