"""A real Redis or Valkey that a test may kill, pause and start again."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

import redis


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], object], what: str, timeout: float = 15.0) -> None:
    """Return as soon as `condition()` is true; fail, naming `what`, if it is not within `timeout` seconds."""
    deadline = monotonic() + timeout
    while not condition():
        if monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {timeout:g} s")
        sleep(0.01)


class RedisServer:
    """One server process on a free port of the loopback interface, with its data in `folder`."""

    def __init__(self, program: Path, environment: dict[str, str], folder: Path, *options: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis.Redis(port=self.port, socket_timeout=5)
        self._folder, self._environment = folder, os.environ | environment
        self._command = [str(program), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)]
        self._command += ["--save", "", *options]
        self.start()

    def start(self) -> None:
        with (self._folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log, env=self._environment)
        wait_until(self._answers, f"{self._command[0]} answering on port {self.port}")

    def kill(self) -> None:
        """Kill it, as a crash would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self.client.close()
        self.kill()

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self._folder / "server.log").read_text()
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False
