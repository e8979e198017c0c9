"""The page as OpenMetrics: read by the parser of prometheus_client, and compared with the text page."""

import pytest
import redis
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from starlette.testclient import TestClient

from labkit import RedisMetricsService
from labkit.sidecar.app import create_app
from labkit.sidecar.exposition import Family
from labkit.sidecar.negotiation import CONTENT_TYPES
from labkit.sidecar.openmetrics import openmetrics
from labkit.sidecar.rendering import render

ACCEPT = {"Accept": "application/openmetrics-text; version=1.0.0"}
HOSTILE = 'a"b\\c\nd,e=f{}% é🙂 le="-1" -2 # EOF'

Sample = tuple[str, frozenset[tuple[str, str]]]


def record(metrics: RedisMetricsService) -> None:
    """Series of each kind, some of which need to be judged, with every sign that could break a line."""
    events = metrics.counter("events_total", 'What "happened" \\ in\ntwo lines.', ["what"])
    for what in ("joined", "left", HOSTILE):
        events.labels(what=what).inc(1.5)
    metrics.counter("plain_total", "No labels.").inc(2)
    metrics.gauge("depth", "How deep.", ["where"]).labels(where=HOSTILE).set(-3)
    took = metrics.histogram("took_ms", "How long.", ["where", "zone"], buckets=(0.5, 1, 10))
    took.labels(where=HOSTILE, zone="z").observe(0.7)
    took.labels(where="here", zone="z").observe(70)
    metrics.histogram("alone", "No labels.", buckets=(1,)).observe(1)
    metrics.flush()


def samples(families: list[Metric]) -> dict[Sample, float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
        if not sample.name.startswith(("labkit_", "redis_up"))
    }


def test_both_formats_say_the_same(metrics: RedisMetricsService, redis_url: str) -> None:
    """Every series has one name, labels, value and help in either; OpenMetrics adds when each began, and its end."""
    record(metrics)
    with TestClient(create_app(redis_url)) as client:
        other, text = client.get("/metrics", headers=ACCEPT), client.get("/metrics")
    assert other.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert text.headers["content-type"] == CONTENT_TYPES["text"]
    assert other.text.endswith("\n# EOF\n")
    theirs, ours = list(parse_text(text.text)), list(parse_openmetrics(other.text))
    added = {key: value for key, value in samples(ours).items() if key not in samples(theirs)}
    assert samples(theirs).items() <= samples(ours).items()
    assert {name for name, _ in added} == {"events_created", "plain_created", "took_ms_created", "alone_created"}
    assert len(added) == 3 + 1 + 2 + 1
    assert {family.name: family.type for family in ours} == {family.name: family.type for family in theirs}
    assert {family.name: family.documentation for family in ours} == {f.name: f.documentation for f in theirs}


def test_created_is_when_the_series_began(
    metrics: RedisMetricsService, redis_url: str, redis_client: redis.Redis
) -> None:
    """In seconds, as Redis holds it, beside the same labels."""
    record(metrics)
    held = str(redis_client.get("metrics:counter:events_total:what=left"))
    with TestClient(create_app(redis_url)) as client:
        text = client.get("/metrics", headers=ACCEPT).text
    line = next(line for line in text.splitlines() if line.startswith('events_created{what="left"} '))
    assert f'"created":{line.split()[1]},' in held


@pytest.mark.parametrize(
    "spoil",
    [
        lambda metrics: metrics.counter("events", "Help.").inc(),
        lambda metrics: metrics.gauge("plain_created", "Help.").set(1),
        lambda metrics: metrics.gauge("plain", "Help.").set(1),
        lambda metrics: metrics.counter("redis_up_total", "Help.").inc(),
        lambda metrics: metrics.histogram("cold", "Help.", buckets=(-1, 1)).observe(3),
        lambda metrics: metrics.histogram("cold", "Help.", buckets=(1,)).observe(-3),
    ],
    ids=[
        "counter without _total",
        "gauge named _created",
        "gauge named like a counter",
        "counter named like the sidecar's own",
        "bound below 0",
        "sum below 0",
    ],
)
def test_what_openmetrics_cannot_say_is_text(metrics: RedisMetricsService, redis_url: str, spoil: object) -> None:
    """The whole page comes as text 0.0.4, to whoever asks."""
    record(metrics)
    assert callable(spoil)
    with TestClient(create_app(redis_url)) as client:
        assert client.get("/metrics", headers=ACCEPT).text.endswith("# EOF\n")
        spoil(metrics)
        metrics.flush()
        answer = client.get("/metrics", headers=ACCEPT)
    assert answer.headers["content-type"] == CONTENT_TYPES["text"]
    assert "# EOF" not in answer.text.splitlines()
    assert list(parse_text(answer.text))


def test_a_label_that_looks_like_a_bound_is_none() -> None:
    """Only the bound itself decides whether OpenMetrics can express a histogram."""
    json = b'{"bounds":[1],"counts":[1,0],"sum":1,"count":1,"created":1.5,"updated":2.5}'
    lines = render(b"metrics:histogram:h:scale=-5", json)
    assert lines
    family = Family("h", "histogram", lines={b"k": lines})
    assert openmetrics([family])
