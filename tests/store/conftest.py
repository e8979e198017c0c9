"""The store in this process; one of its own is in `process`."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from fastapi.testclient import TestClient

from labkit import RedisMetricsService
from labkit.store.app import create_app
from tests.store.process import store_process, store_url

__all__ = ["store_process", "store_url"]


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
