"""The customers with Locust's own web page."""

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from harness.process import Process, answers, free_port, wait_until
from labkit.traffic import schedule

LOCUSTFILE = Path(schedule.__file__).with_name("locustfile.py")


@pytest.fixture
def page(store_url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    """Locust's web page, with the options a user would give."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--host", store_url, "--web-port", str(port)]
    with (
        Process(command, tmp_path / "locust.log", lambda: answers(url, 200)) as locust,
        httpx.Client(base_url=url) as client,
    ):
        connections = psutil.Process(locust.pid).net_connections()
        assert {c.laddr.ip for c in connections if c.status == "LISTEN"} == {"127.0.0.1"}
        yield client


def test_the_web_page_starts_traffic(page: httpx.Client) -> None:
    """The page, which only this machine can reach, asks for rate, shape and duration, and does as it is told."""
    assert all(option in page.get("/").text for option in ("rate", "shape", "duration", "customers"))
    answer = page.post("/swarm", data={"rate": "20", "shape": "steady", "duration": "2"})
    assert answer.json()["success"]
    wait_until(lambda: page.get("/stats/requests").json()["state"] == "stopped", "the end of the traffic")
    # Locust keeps its answer for two seconds, and may have counted before it looked whether it is stopped.
    wait_until(lambda: _totals(page) == (40, 0), "the last answer")
    assert not page.get("/stats/requests").json()["errors"]


def _totals(page: httpx.Client) -> tuple[int, int]:
    """Requests and failures so far."""
    lines = page.get("/stats/requests").json()["stats"]
    total = next(line for line in lines if line["name"] == "Aggregated")
    return total["num_requests"], total["num_failures"]
