"""The store in this process; one of its own is in `process`."""

from collections.abc import Iterator

import pytest
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
