"""Real sidecars that a test may signal: the process that `labkit exporter` is, and the stock redis_exporter."""

import signal
import sys
from pathlib import Path

from harness.process import Process, answers, free_port, listens, wait_until
from labkit.resources import resource
from labkit.stack import binaries
from labkit.stack.binaries import Program


class SidecarProcess(Process):
    """One `labkit exporter` on a free port of the loopback interface; its log is in `folder`, where it runs."""

    def __init__(self, redis_url: str, folder: Path, *options: str, **environment: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "labkit", "exporter", "--listen", f"127.0.0.1:{self.port}", *options]
        access = {"LABKIT_REDIS_URL": redis_url} | environment
        (folder / "sidecar.log").unlink(missing_ok=True)
        # The port is bound before anything else starts, so wait for its first words, too.
        super().__init__(
            command, folder / "sidecar.log", lambda: "shows" in self.log and listens(self.port), access, cwd=folder
        )

    def hang_up(self, until: str) -> None:
        """Send SIGHUP, and wait until the log has `until` once more."""
        before = self.log.count(until)
        self.send(signal.SIGHUP)
        wait_until(lambda: self.log.count(until) > before, f"{until!r} in the log")


class StockExporter(Process):
    """The stock redis_exporter with our script on a free port; `options` are its own, `environment` says which Redis.

    It is the machine's own unless a `program` is given.
    """

    def __init__(self, folder: Path, *options: str, program: Program | None = None, **environment: str) -> None:
        program, port = program or binaries.find("redis_exporter"), free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [str(program.path), "-script", str(resource("lua", "redis-exporter.lua"))]
        command += ["-web.listen-address", f"127.0.0.1:{port}", *options]
        own = program.environment | environment
        super().__init__(command, folder / "redis_exporter.log", lambda: answers(f"{self.url}/"), own)
        self.port = port
