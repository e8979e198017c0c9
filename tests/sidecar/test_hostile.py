"""Whatever somebody writes under the prefix: every good series is on the page, every bad one is counted by reason."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from harness.process import wait_until
from harness.sidecar_process import StockExporter
from labkit import RedisMetricsService
from labkit.sidecar.negotiation import Format
from labkit.sidecar.sidecar import Sidecar
from labkit.stack import binaries
from tests.sidecar.hostile import BAD, Bad
from tests.sidecar.stock_script import SCRIPT, script_samples

# The text of a number that is finite, or of one that is not.
_GO_FLOAT = re.compile(r"[+-]?\d{1,20}(\.\d{1,20})?(e[+-]?\d{1,3})?|NaN|\+Inf")
# Gauges with these names claim what is a good series', the sidecar's or Prometheus' own.
CLASHES = ("good_total", "h", "h_count", "h_p50", "labkit_sidecar_series", "redis_up", "up", "scrape_duration_seconds")
GOOD_LABELS = ("", 'say "hi"', "back\\slash", "line\nbreak", "a,b=c%d", "🦊", "%41", "x" * 2000)


def put(client: redis.Redis, bad: Bad) -> None:
    """Store it, with an entry in the index."""
    client.set(bad.key, bad.value)
    client.zadd("metrics.index", {bad.key: client.hincrby("metrics.state", "version", 1)})


def put_all(client: redis.Redis) -> None:
    """Store all, those with the same name each under a name of its own."""
    for n, bad in enumerate(BAD.values()):
        put(client, Bad(bad.key.replace(b":x", b":x%d" % n), bad.value, bad.reason))


@pytest.fixture
def good(redis_url: str, redis_client: redis.Redis) -> None:
    """Series of a real writer, with labels that are hard to write."""
    with RedisMetricsService(redis_url, flush_interval=600) as metrics:
        for label in GOOD_LABELS:
            metrics.counter("good_total", "Help.", ["l"]).labels(label).inc(0.1)
        metrics.gauge("huge", "Help.").set(-1e300)
        metrics.histogram("h", "Help.", buckets=(1,)).observe(0.5)


def page_of(redis_url: str, wanted: Format = "text") -> str:
    sidecar = Sidecar(redis_url)
    wait_until(sidecar.refresh, "all that Redis holds")
    pieces, found = sidecar.page(True, wanted, ())
    assert found == wanted
    return b"".join(pieces).decode()


def check_openmetrics(page: str) -> None:
    """What Prometheus asks for: one number that Go does not take would cost it the whole page."""
    samples = [sample for family in parse_openmetrics(page) for sample in family.samples]
    assert {s.value for s in samples if s.name == "good_total"} == {0.1}
    values = [line.rpartition(" ")[2] for line in page.splitlines() if not line.startswith("#")]
    assert [value for value in values if not _GO_FLOAT.fullmatch(value)] == []


def check(page: str) -> None:
    """The good series are all there, and promtool finds nothing wrong."""
    samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    assert {s.labels.get("l", ""): s.value for s in samples if s.name == "good_total"} == dict.fromkeys(
        GOOD_LABELS, 0.1
    )
    assert {s.value for s in samples if s.name == "huge"} == {-1e300}
    assert sum(s.name == "h_bucket" for s in samples) == 2
    promtool = binaries.find("promtool").path
    done = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def skipped(page: str) -> dict[str, float]:
    found = re.findall(r'^labkit_sidecar_series_skipped\{reason="(\w+)"\} (\S+)$', page, re.MULTILINE)
    return {reason: float(count) for reason, count in found}


@pytest.mark.usefixtures("good")
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_one_bad_series_costs_nobody_else_a_place(redis_url: str, redis_client: redis.Redis, bad: Bad) -> None:
    """It is counted by its reason, by both sidecars; the page is sound and has everything else."""
    put(redis_client, bad)
    assert script_samples(redis_client)[f'labkit_sidecar_series_skipped{{reason="{bad.reason}"}}'] == "1"
    page = page_of(redis_url)
    assert skipped(page) == {bad.reason: 1}
    check(page)
    check_openmetrics(page_of(redis_url, "openmetrics"))


@pytest.mark.usefixtures("good")
@pytest.mark.parametrize("created", [b"1.2.3", b"1" * 400, b".", b"1.", b'"x"', b"null", b"-1", b"1e400", b"{}"])
def test_a_time_that_is_none_is_left_out(redis_url: str, redis_client: redis.Redis, created: bytes) -> None:
    """The series is on the page, and nothing there is worse than if it had no such time."""
    value = b'{"value":1,"created":%b,"updated":1}' % created
    put(redis_client, Bad(b"metrics:counter:odd_total", value, ""))
    redis_client.hset("metrics.meta", "odd_total", '{"help":"Odd."}')
    for page in page_of(redis_url), page_of(redis_url, "openmetrics"):
        assert "\nodd_total 1\n" in page or "json" in skipped(page)
        assert "odd_created" not in page
    check(page_of(redis_url))
    check_openmetrics(page_of(redis_url, "openmetrics"))


@pytest.mark.usefixtures("good")
def test_a_wrong_type_and_names_that_clash(redis_url: str, redis_client: redis.Redis) -> None:
    """A list is not a series; parts of a histogram and the sidecar's own metrics belong to somebody."""
    redis_client.rpush("metrics:counter:x", "x")
    redis_client.zadd("metrics.index", {"metrics:counter:x": redis_client.hincrby("metrics.state", "version", 1)})
    for name in (*CLASHES, "labkit_build_info"):
        put(redis_client, Bad(f"metrics:gauge:{name}".encode(), b'{"value":1}', "conflict"))
    page = page_of(redis_url)
    assert skipped(page) == {"wrongtype": 1, "conflict": 1 + len(CLASHES)}
    check(page)


@pytest.mark.usefixtures("good")
def test_ten_thousand_at_once(redis_url: str, redis_client: redis.Redis) -> None:
    """Many bad series are as harmless as one."""
    keys = [f"metrics:counter:x:n={n}" for n in range(10_000)]
    redis_client.mset(dict.fromkeys(keys, "garbage"))
    version = int(redis_client.hincrby("metrics.state", "version", len(keys))) - len(keys)
    redis_client.zadd("metrics.index", {key: version + n for n, key in enumerate(keys, 1)})
    page = page_of(redis_url)
    assert skipped(page) == {"json": 10_000}
    check(page)


@pytest.fixture
def stock(redis_url: str, tmp_path: Path) -> Iterator[str]:
    """The stock exporter with our script; the URL of its page."""
    with StockExporter(tmp_path, "-redis-only-metrics", REDIS_ADDR=redis_url) as exporter:
        yield f"{exporter.url}/metrics"


@pytest.mark.usefixtures("good")
def test_the_stock_exporter_serves_every_good_series(redis_client: redis.Redis, stock: str) -> None:
    """All bad series together: the script still answers in text that Go can parse, and the exporter says it is up."""
    put_all(redis_client)
    page = httpx.get(stock, trust_env=False).text
    values = re.findall(r"^redis_script_values\{(.*)\} (\S+)$", page, re.MULTILINE)
    assert "\nredis_up 1\n" in page
    assert sum("good_total" in key for key, _ in values) == len(GOOD_LABELS)
    assert [float(value) for key, value in values if 'key="huge"' in key] == [-1e300]
    assert all(re.fullmatch(r"NaN|[-+0-9.e]+", value) for _, value in values)


@pytest.mark.usefixtures("good")
@pytest.mark.parametrize("arguments", [("0",), ()])
@pytest.mark.parametrize("command", ["EVAL", "EVAL_RO"])
def test_every_way_in_which_the_stock_exporter_calls(
    redis_client: redis.Redis, command: str, arguments: tuple[str, ...]
) -> None:
    """With and without an argument, as a reading script or any: pairs of text, whatever is in Redis."""
    put_all(redis_client)
    for name in CLASHES:
        put(redis_client, Bad(f"metrics:gauge:{name}".encode(), b'{"value":5}', "conflict"))
    call = redis_client.eval if command == "EVAL" else redis_client.eval_ro
    flat = call(SCRIPT, 0, *arguments)
    assert isinstance(flat, list)
    assert len(flat) % 2 == 0
    assert all(isinstance(item, bytes) for item in flat)
    assert len(set(flat[::2])) == len(flat[::2])
    said = dict(zip(flat[::2], flat[1::2], strict=True))
    assert (said[b"h_count"], said[b'good_total{l="\xf0\x9f\xa6\x8a"}']) == (b"1", b"0.1")
    assert said[b'labkit_sidecar_series_skipped{reason="conflict"}'] == str(len(CLASHES)).encode()
