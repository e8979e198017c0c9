"""The page, as the field's own tools read it: promtool and prometheus_client's parser."""

import subprocess

import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families

from labkit import RedisMetricsService
from labkit.sidecar.sidecar import Sidecar
from labkit.stack import binaries

HOSTILE = {
    b"metrics:counter:x": b"garbage",
    b"metrics:gauge:y": b"",
    b"metrics:gauge:z:label=\xff": b'{"value":1}',
    b"metrics:histogram:h": b'{"bounds":[1],"counts":[1],"sum":0}',
}
# Names that were given to us: promtool prefers other ones, and says so for every such metric.
NAMING = ('counter metrics should have "_total" suffix', "metric names should not contain abbreviated units")


@pytest.fixture
def page(redis_url: str, redis_client: redis.Redis) -> str:
    """A page with every kind of metric, awkward labels, and hostile keys in the index."""
    with RedisMetricsService(redis_url) as metrics:
        events = metrics.counter("user_events", "What users did.", ["event"])
        for label in ('say "hi"', "back\\slash", "line\nbreak", "a,b=c%", "🦊", ""):
            events.labels(event=label).inc(0.1)
        metrics.gauge("users_waiting", "Users in the queue.", ["service"]).labels(service="store").set(-1e300)
        metrics.histogram("api_request_duration_ms", "Time to answer.", ["endpoint"], unit="ms").labels("/").observe(7)
        metrics.histogram("empty_seconds", "Nothing was observed.", unit="s")
    for version, (key, value) in enumerate(HOSTILE.items()):
        redis_client.set(key, value)
        redis_client.zadd("metrics.index", {key: 10_000 + version})
    redis_client.hincrby("metrics.state", "version", 20_000)
    sidecar = Sidecar(redis_url)
    pieces, _ = sidecar.page(sidecar.refresh(), "text", ())
    return b"".join(pieces).decode()


def test_promtool_has_only_its_opinion_on_names(page: str) -> None:
    """Nothing is wrong with the page; where names were given to us, promtool prefers others."""
    program = binaries.find("promtool")
    done = subprocess.run([program.path, "check", "metrics"], input=page, capture_output=True, text=True, check=False)
    complaints = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    assert [line for line in complaints if not line.endswith(NAMING)] == []


def test_the_official_parser_reads_every_value(page: str) -> None:
    """Labels come back as they were recorded, values to the last digit, and hostile keys are counted."""
    samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    events = {s.labels.get("event", ""): s.value for s in samples if s.name == "user_events_total"}
    assert events == dict.fromkeys(('say "hi"', "back\\slash", "line\nbreak", "a,b=c%", "🦊", ""), 0.1)
    assert [s.value for s in samples if s.name == "users_waiting"] == [-1e300]
    skipped = {s.labels["reason"]: s.value for s in samples if s.name == "labkit_sidecar_series_skipped"}
    assert skipped == {"json": 2, "labels": 1, "counts": 1}


def test_each_family_stands_once_with_help_and_type(page: str) -> None:
    """HELP and TYPE come before the samples of their family, once."""
    for prefix in ("# HELP ", "# TYPE "):
        names = [line.split()[2] for line in page.splitlines() if line.startswith(prefix)]
        assert len(names) == len(set(names))
    assert page.index("# HELP user_events ") < page.index("# TYPE user_events counter") < page.index("\nuser_events{")
