"""The store as a process of its own."""

import subprocess
import sys
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.redis_server import free_port, wait_until

SERVE = "import sys; from labkit.store.app import serve; serve(sys.argv[1], '127.0.0.1', int(sys.argv[2]))"


@pytest.fixture(scope="session")
def store_process() -> Iterator[Callable[[str], tuple[str, "subprocess.Popen[bytes]"]]]:
    """Starts a store of its own for a Redis URL; gives the store's URL and its process."""
    started = []

    def start(redis_url: str) -> tuple[str, "subprocess.Popen[bytes]"]:
        port = free_port()
        process = subprocess.Popen([sys.executable, "-c", SERVE, redis_url, str(port)], stderr=subprocess.PIPE)
        started.append(process)
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _answers(url), f"the store answering at {url}")
        return url, process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def store_url(store_process: Callable[[str], tuple[str, "subprocess.Popen[bytes]"]]) -> str:
    """A store that many tests share. Its Redis is away, which must not matter to them."""
    return store_process(f"redis://127.0.0.1:{free_port()}/0")[0]


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/healthy").status_code == 200
    except httpx.TransportError:
        return False
