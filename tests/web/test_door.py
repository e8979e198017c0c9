"""The doors of the store and of Locust: real servers, called as a browser calls for pages of other sites."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.process import Process, answers, free_port
from labkit.traffic import schedule
from labkit.web.callers import ALLOWED

EVIL: list[dict[str, str]] = [
    {"host": "evil.example:5050"},
    {"origin": "http://evil.example"},
    {"origin": "null"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
]
LINK = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}


def joined(url: str) -> int:
    return int(httpx.get(f"{url}/api/store/status").json()["ledger"]["events"]["joined"])


@pytest.mark.parametrize("headers", [*EVIL, LINK])
def test_no_page_of_another_site_takes_a_step(store_url: str, headers: dict[str, str]) -> None:
    """By a form, a script, a picture or a link: nothing happens in the store."""
    before = joined(store_url)
    for method in ("GET", "POST"):
        answer = httpx.request(method, f"{store_url}/api/store/join", headers=headers)
        assert (answer.status_code, "access-control-allow-origin" in answer.headers) == (403, False)
    assert httpx.put(f"{store_url}/-/flush-interval", json={"seconds": 1}, headers=headers).status_code == 403
    assert joined(store_url) == before


def test_no_page_of_another_site_reads(store_url: str) -> None:
    """A name that was made to mean 127.0.0.1 gets nothing; a link to the documentation opens it."""
    assert httpx.get(f"{store_url}/api/store/status", headers=EVIL[0]).status_code == 403
    assert httpx.get(f"{store_url}/docs", headers=LINK).status_code == 200


def test_its_own_page_takes_steps(store_url: str) -> None:
    """The documentation's own form works."""
    headers = {"origin": store_url, "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}
    assert httpx.post(f"{store_url}/api/store/join", headers=headers).status_code == 200


@pytest.fixture(scope="module", params=[(), ("--until-stopped",)])
def locust(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Locust with its web page, which also answers to the name `friend.example`."""
    url, file = f"http://127.0.0.1:{free_port()}", Path(schedule.__file__).with_name("locustfile.py")
    command = [sys.executable, "-m", "locust", "-f", str(file), "--web-port", url.rpartition(":")[2], *request.param]
    log = tmp_path_factory.mktemp("locust") / "log"
    with Process(command, log, lambda: answers(url, 200), {ALLOWED: "friend.example"}):
        yield url


def told(url: str) -> Any:
    return httpx.get(f"{url}/stats/requests").json()


@pytest.mark.parametrize("headers", [*EVIL, LINK])
def test_no_page_of_another_site_sends_traffic(locust: str, headers: dict[str, str]) -> None:
    """A form with any `host=` is refused before Locust looks at it, and so is the question whether it might."""
    form = {"user_count": "1", "spawn_rate": "1", "host": "http://victim.example"}
    assert httpx.post(f"{locust}/swarm", data=form, headers=headers).status_code == 403
    asked = {"access-control-request-method": "POST"}
    assert httpx.options(f"{locust}/swarm", headers=headers | asked).status_code == 403
    assert told(locust)["state"] == "ready"


def test_locusts_own_page_and_names_that_are_listed_may(locust: str) -> None:
    """They get past the door, and Locust itself refuses what makes no sense."""
    for headers in ({"origin": locust}, {"host": "friend.example"}, {"origin": "https://friend.example"}):
        answer = httpx.post(f"{locust}/swarm", data={"user_count": "many"}, headers=headers)
        assert "Invalid user_count" in answer.json()["message"]
    assert httpx.get(locust, headers=LINK).status_code == 200
