"""The real sidecar's page, as Prometheus would read it."""

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.testclient import TestClient

from labkit.sidecar.app import create_app


class Scrape:
    """Scrapes one sidecar, which remembers what it has read before."""

    def __init__(self, client: TestClient) -> None:
        self._client = client

    def __call__(self, start: str = "") -> dict[str, float]:
        """Return the samples whose name begins like this: name and labels -> value."""
        lines = self._client.get("/metrics").text.splitlines()
        samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in samples if name.startswith(start)}


@contextmanager
def sidecar(redis_url: str) -> Iterator[Scrape]:
    """Run the sidecar of this server."""
    with TestClient(create_app(redis_url)) as client:
        yield Scrape(client)
