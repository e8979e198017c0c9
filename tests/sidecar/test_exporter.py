"""The sidecar over HTTP: the page, its type, and what it says while Redis is away."""

import re
from time import perf_counter

import pytest
import redis
from starlette.testclient import TestClient

from harness.process import free_port, wait_until
from harness.redis_server import RedisServer
from labkit import RedisMetricsService
from labkit.errors import ConnectionFailed, PortInUse
from labkit.sidecar.exporter import create_app, serve
from labkit.sidecar.exposition import CONTENT_TYPE
from labkit.web.listening import listen
from tests import ROOT

SCRAPE_TIMEOUT = 10  # s, that of Prometheus
# What does not change from scrape to scrape.
PAGE = "/metrics?name[]=depth&name[]=redis_up"


def test_the_page_has_the_application_and_the_sidecar(metrics: RedisMetricsService, redis_url: str) -> None:
    """Series of the writer and metrics of the sidecar itself share one page of text format 0.0.4."""
    metrics.counter("user_events", "What users did.", ["event"]).labels(event="joined").inc(3)
    metrics.flush()
    with TestClient(create_app(redis_url)) as client:
        answer = client.get("/metrics")
    assert answer.headers["content-type"] == CONTENT_TYPE
    assert 'user_events{event="joined"} 3\n' in answer.text
    assert "\nredis_up 1.0\n" in answer.text


def test_the_table_of_metrics_is_what_the_sidecar_says(redis_url: str) -> None:
    """Names and types in docs/sidecar.md are those on the page, and no others."""
    with TestClient(create_app(redis_url)) as client:
        said = set(re.findall(r"^# TYPE (\w+) (\w+)$", client.get("/metrics").text, re.MULTILINE))
    page = (ROOT / "docs" / "sidecar.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \| (counter|gauge|histogram) \|", page, re.MULTILINE)) == said


def test_a_name_of_the_sidecar_is_nobody_elses(redis_client: redis.Redis, redis_url: str) -> None:
    """A series named redis_up, written by another program, does not break the page, and is counted."""
    redis_client.set("metrics:gauge:redis_up", '{"value":0}')
    with TestClient(create_app(redis_url)) as client:
        skipped = 'labkit_sidecar_series_skipped{reason="conflict"} 1.0\n'
        wait_until(lambda: skipped in client.get("/metrics").text, "that the walk finds it")
        text = client.get("/metrics").text
    assert re.findall("^redis_up .*", text, re.MULTILINE) == ["redis_up 1.0"]


def test_a_dead_redis_is_a_page_that_says_so() -> None:
    """The answer is 200 with redis_up 0 and no series of the application: they go stale, as they should."""
    with TestClient(create_app(f"redis://127.0.0.1:{free_port()}/0")) as client:
        answer = client.get("/metrics")
    assert answer.status_code == 200
    assert "\nredis_up 0.0\n" in answer.text


def test_it_survives_its_server(own_server: RedisServer) -> None:
    """Killed, Redis is down on the page; back, its series are there again."""
    with RedisMetricsService(own_server.url) as metrics, TestClient(create_app(own_server.url)) as client:
        metrics.counter("c", "Help.").inc(3)
        metrics.flush()
        assert "\nc 3\n" in client.get("/metrics").text
        own_server.kill()
        text = client.get("/metrics").text
        assert "\nc 3\n" not in text
        assert "\nredis_up 0.0\n" in text
        own_server.start()
        wait_until(lambda: "\nc 3\n" in client.get("/metrics").text, "the recovery")


def test_a_hanging_redis_is_down_within_a_scrape(own_server: RedisServer) -> None:
    """The page says so before Prometheus gives up; awake, Redis is up again."""
    with TestClient(create_app(own_server.url)) as client:
        assert "\nredis_up 1.0\n" in client.get("/metrics").text
        own_server.pause()
        started = perf_counter()
        assert "\nredis_up 0.0\n" in client.get("/metrics").text
        assert perf_counter() - started < SCRAPE_TIMEOUT
        own_server.resume()
        wait_until(lambda: "\nredis_up 1.0\n" in client.get("/metrics").text, "the recovery")


def test_gzip_is_for_who_asks_from_elsewhere(metrics: RedisMetricsService, redis_url: str) -> None:
    """The same page, smaller; caches are told what it depends on."""
    metrics.gauge("depth", "How deep.").set(1)
    metrics.flush()
    app = create_app(redis_url)
    with TestClient(app, client=("203.0.113.7", 50000)) as far, TestClient(app, client=("127.0.0.1", 50000)) as near:
        small, plain, local = far.get(PAGE), far.get(PAGE, headers={"Accept-Encoding": "identity"}), near.get(PAGE)
    assert small.headers["content-encoding"] == "gzip"
    assert int(small.headers["content-length"]) < len(plain.content)
    assert "content-encoding" not in {*plain.headers, *local.headers}
    assert small.text == plain.text == local.text
    assert {answer.headers["vary"] for answer in (small, plain, local)} == {"Accept, Accept-Encoding"}


def test_a_taken_port_is_named() -> None:
    """Before anything starts, the message says which port it is."""
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=f"Port {port}"):
            serve("redis://127.0.0.1:1/0", "127.0.0.1", port)


def test_a_wrong_url_fails_at_once() -> None:
    """An invalid URL is not an outage."""
    with pytest.raises(ConnectionFailed, match="not a valid Redis URL"):
        create_app("http://127.0.0.1")
