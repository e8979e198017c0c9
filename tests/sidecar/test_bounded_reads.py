"""How long the sidecar waits for Redis, whatever lies between them."""

import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

import httpx
import pytest
import redis
from starlette.testclient import TestClient

from harness.process import wait_until
from harness.redis_server import RedisServer
from harness.sidecar_process import SidecarProcess
from labkit import RedisMetricsService
from labkit.sidecar.app import create_app
from labkit.sidecar.bounded_reads import REDIS_TIMEOUT, bounded_client, within
from labkit.sidecar.sidecar import Sidecar
from tests.sidecar.slow_link import SlowLink

# In one reply of the script.
REPLY = 200_000


@pytest.fixture
def link(redis_server: RedisServer, redis_client: redis.Redis) -> Iterator[SlowLink]:
    """A way to a server that is empty."""
    assert redis_client.dbsize() == 0
    with SlowLink(redis_server.port) as link:
        yield link


def test_a_slow_answer_ends_in_time(link: SlowLink, redis_client: redis.Redis) -> None:
    """Byte after byte, each in time: the whole is not, and the connection is not used again."""
    redis_client.set("big", b"x" * REPLY)
    link.rate = 50_000
    client = bounded_client(link.url)
    with pytest.raises(redis.TimeoutError), within(0.5):
        client.get("big")
    assert link.passed < REPLY
    link.rate = 1e9
    assert client.ping() is True


def test_a_scrape_over_a_slow_link_is_answered_in_time(link: SlowLink, redis_url: str, tmp_path: Path) -> None:
    """It hears of it before Redis' reply is there; the reading goes on, and a later scrape has everything."""
    with RedisMetricsService(redis_url, flush_interval=600) as metrics:
        family = metrics.histogram("h", "Help.", ["n"], buckets=range(200))
        for n in range(200):
            family.labels(n=str(n)).observe(n)
    link.rate = 200_000
    with SidecarProcess(link.url, tmp_path) as sidecar:

        def page() -> str:
            headers = {"X-Prometheus-Scrape-Timeout-Seconds": "0.5"}
            return httpx.get(f"{sidecar.url}/metrics", headers=headers, trust_env=False, timeout=30).text

        assert "\nredis_up 0.0\n" in page()
        assert link.passed < REPLY
        wait_until(lambda: 'h_count{n="199"} 1\n' in page(), "the whole page", timeout=60)


def test_sigterm_does_not_wait_for_a_slow_link(link: SlowLink, redis_url: str, tmp_path: Path) -> None:
    """Reading takes long, each reply in time, and so long would a patient scraper wait: the end does not."""
    with RedisMetricsService(redis_url, flush_interval=600) as metrics:
        family = metrics.histogram("h", "Help.", ["n"], buckets=range(100))
        for n in range(3000):
            family.labels(n=str(n)).observe(n)
    link.rate = 100_000  # so that the rest takes half a minute
    sidecar = SidecarProcess(link.url, tmp_path)
    with sidecar, socket.create_connection(("127.0.0.1", sidecar.port)) as client:
        client.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\nX-Prometheus-Scrape-Timeout-Seconds: 60\r\n\r\n")
        wait_until(lambda: link.passed > REPLY, "the reading")
        told = monotonic()
        sidecar.process.send_signal(signal.SIGTERM)
        assert sidecar.process.wait(60) == 0
        assert monotonic() - told < 10


@pytest.mark.parametrize(
    ("options", "expected"),
    [("", REDIS_TIMEOUT), ("?socket_timeout=8&socket_connect_timeout=9", REDIS_TIMEOUT), ("?socket_timeout=0.2", 0.2)],
)
def test_the_url_shortens_the_wait_only(options: str, expected: float) -> None:
    """A timeout meant for writers must not let a Redis that hangs look like a dead sidecar."""
    made = bounded_client(f"redis://127.0.0.1:1/0{options}").connection_pool.make_connection()
    assert isinstance(made, redis.Connection)
    assert (made.socket_timeout, made.socket_connect_timeout) == (expected, REDIS_TIMEOUT)


def test_a_connection_that_was_reset_while_idle_is_no_outage(
    link: SlowLink, metrics: RedisMetricsService, caplog: pytest.LogCaptureFixture
) -> None:
    """It is tried once more, on a new one, by a scrape and by a walk."""
    metrics.counter("c", "Help.").inc(3)
    metrics.flush()
    sidecar = Sidecar(link.url)
    assert sidecar.refresh()
    link.forget()
    assert sidecar.refresh()
    assert link.resets == 1
    link.forget()
    sidecar.reload()
    assert link.resets == 2
    assert caplog.messages == [f"{link.url} answers.", "The script has been reloaded."]


def test_a_server_without_tls_is_named_as_such(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """What waits in vain is the handshake, not the connection."""
    url = redis_url.replace("redis:", "rediss:") + "?ssl_cert_reqs=none"
    assert not Sidecar(url).refresh()
    assert "does not answer to TLS" in caplog.text


def test_others_wait_for_nobody_who_is_in_a_hurry(link: SlowLink, metrics: RedisMetricsService) -> None:
    """The hasty one hears that nothing is known yet; who came to the same reading has all of it."""
    family = metrics.gauge("g", "Help.", ["n"])
    for n in range(200):
        family.labels(n=f"{n:0300}").set(1)
    metrics.flush()
    link.rate, pages = 40_000, dict[str, str]()
    with TestClient(create_app(link.url)) as client:

        def scrape(timeout: str) -> None:
            pages[timeout] = client.get("/metrics", headers={"X-Prometheus-Scrape-Timeout-Seconds": timeout}).text

        with ThreadPoolExecutor(2) as scrapers:
            list(scrapers.map(scrape, ("0.001", "30")))
    found = {timeout: (page.count("\ng{"), "\nredis_up 1.0\n" in page) for timeout, page in pages.items()}
    assert found == {"0.001": (0, False), "30": (200, True)}


def test_a_tiny_timeout_is_taken_for_a_short_one(metrics: RedisMetricsService, redis_url: str) -> None:
    """While Redis answers as it should, nobody gets an empty page."""
    metrics.counter("c", "Help.").inc(3)
    metrics.flush()
    with TestClient(create_app(redis_url)) as client:
        client.get("/metrics")
        page = client.get("/metrics", headers={"X-Prometheus-Scrape-Timeout-Seconds": "0.000001"}).text
    assert "\nc 3\n" in page
