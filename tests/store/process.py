"""The store as a process of its own."""

import sys
from collections.abc import Callable, Iterator

import pytest

from harness.process import Process, answers, free_port

SERVE = "import sys; from labkit.store.app import serve; serve(sys.argv[1], '127.0.0.1', int(sys.argv[2]))"
Start = Callable[[str], tuple[str, Process]]


@pytest.fixture(scope="session")
def store_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts a store of its own for a Redis URL; gives the store's URL and its process."""
    started, folder = [], tmp_path_factory.mktemp("stores")

    def start(redis_url: str) -> tuple[str, Process]:
        port = free_port()
        url, command = f"http://127.0.0.1:{port}", [sys.executable, "-c", SERVE, redis_url, str(port)]
        started.append(Process(command, folder / f"{port}.log", lambda: answers(f"{url}/-/healthy", 200)))
        return url, started[-1]

    yield start
    for process in started:
        process.close()


@pytest.fixture(scope="session")
def store_url(store_process: Start) -> str:
    """A store that many tests share. Its Redis is away, which must not matter to them."""
    return store_process(f"redis://127.0.0.1:{free_port()}/0")[0]
