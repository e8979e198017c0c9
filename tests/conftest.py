"""Real servers for the tests: Valkey, Redis 7 and Redis 8, one of each per session, emptied before each test."""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from harness.redis_server import RedisServer
from labkit import RedisMetricsService
from tests.redis_server import SERVERS, start_server


def pytest_configure() -> None:
    """Let the programs that tests start receive Ctrl-C, even when the tests themselves run in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", params=SERVERS)
def redis_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Valkey, then a Redis 7, then a Redis 8, that live as long as the session."""
    server = start_server(request.param, tmp_path_factory.mktemp(request.param))
    yield server
    server.close()


@pytest.fixture
def redis_client(redis_server: RedisServer) -> redis.Redis:
    """A client of an empty server, with no script loaded."""
    redis_server.client.flushall()
    redis_server.client.script_flush()
    return redis_server.client


@pytest.fixture
def redis_url(redis_server: RedisServer, redis_client: redis.Redis) -> str:
    """The URL of an empty server."""
    return redis_server.url


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Valkey of the test's own, to kill and to restart; it keeps its data in an append-only file."""
    server = start_server("valkey", tmp_path, "--appendonly", "yes", "--appendfsync", "always")
    yield server
    server.close()


@pytest.fixture
def metrics(redis_url: str) -> Iterator[RedisMetricsService]:
    """A writer that sends only when told to."""
    with RedisMetricsService(redis_url, flush_interval=600) as service:
        yield service


@pytest.fixture
def written(metrics: RedisMetricsService, redis_client: redis.Redis) -> Callable[[str], Any]:
    """What Redis holds of a series, after all that was recorded has been sent."""

    def read(series: str) -> Any:
        metrics.flush()
        text = redis_client.get(f"metrics:{series}")
        return json.loads(text) if text else None

    return read
