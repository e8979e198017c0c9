"""One Valkey for all programs, emptied before each test, and a way to start a program."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.redis_server import RedisServer
from labkit.stack import binaries
from tests.processes.program import Program

Start = Callable[..., Program]


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Valkey only: how a process lives and ends does not depend on the server."""
    program = binaries.find("valkey-server")
    server = RedisServer(program, tmp_path_factory.mktemp("valkey"))
    yield server
    server.close()


@pytest.fixture
def shared_memory() -> None:
    """What multiprocessing and Celery need: their locks are files there."""
    folder = Path("/dev/shm")  # noqa: S108  no file of ours
    if not os.access(folder, os.W_OK):
        pytest.fail(f"{folder} is missing or cannot be written: mount a tmpfs there, with mode 1777", pytrace=False)


@pytest.fixture
def start(tmp_path: Path, redis_url: str) -> Iterator[Start]:
    """Start a program with these arguments of the interpreter; it records to the emptied server by default."""
    started: list[Program] = []

    def start(*command: str, url: str = redis_url) -> Program:
        folder = tmp_path / "output"
        folder.mkdir(exist_ok=True)
        started.append(Program(folder, url, *command))
        return started[-1]

    yield start
    for program in started:
        program.close()
