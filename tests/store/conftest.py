"""The store, in this process and in one of its own."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import redis
from fastapi.testclient import TestClient

from labkit import RedisMetricsService
from labkit.store.app import create_app
from tests.redis_server import free_port, wait_until

SERVE = "import sys; from labkit.store.app import serve; serve(sys.argv[1], '127.0.0.1', int(sys.argv[2]))"


@pytest.fixture
def store(metrics: RedisMetricsService) -> Iterator[TestClient]:
    """A client of an empty store."""
    with TestClient(create_app(metrics)) as client:
        yield client


@pytest.fixture
def written(metrics: RedisMetricsService, redis_client: redis.Redis) -> Callable[[str], Any]:
    """What Redis holds of a series, after all that was recorded has been sent."""

    def read(series: str) -> Any:
        metrics.flush()
        text = redis_client.get(f"metrics:{series}")
        return json.loads(text) if text else None

    return read


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
