"""The quick rendering of what labkit writes, which must say what the script says, or leave it to `judging`."""

import json
import math

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from labkit import RedisMetricsService
from labkit.resources import resource
from labkit.sidecar.rendering import Lines, render

TIMES = b',"created":1.5,"updated":2.5}'
HISTOGRAM = b'{"bounds":[1,2],"counts":[1,0,2],"sum":9.5,"count":3' + TIMES

finite = st.floats(allow_nan=False, allow_infinity=False)
labels = st.text(max_size=6)
bounds = st.lists(finite, max_size=6, unique=True).map(sorted)


def samples(text: bytes) -> list[tuple[str, tuple[tuple[str, str], ...], float]]:
    """What the official parser reads; NaN as infinity, because it equals nothing."""
    found = [sample for family in text_string_to_metric_families(text.decode()) for sample in family.samples]
    return [(s.name, tuple(s.labels.items()), math.inf if math.isnan(s.value) else s.value) for s in found]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_both_renderings_say_the_same(redis_url: str, redis_client: redis.Redis, data: st.DataObject) -> None:
    """Whatever a writer writes: where the sidecar renders by itself, the samples are those of the script."""
    redis_client.flushall()
    with RedisMetricsService(redis_url, flush_interval=600) as metrics:
        metrics.counter("c", "Help.", ["a", "b"]).labels(data.draw(labels), "x").inc(abs(data.draw(finite)))
        metrics.gauge("g", "Help.", ["a"]).labels(data.draw(labels)).set(data.draw(finite))
        histogram = metrics.histogram("h", "Help.", ["a"], buckets=data.draw(bounds)).labels(data.draw(labels))
        for value in data.draw(st.lists(finite, max_size=8)):
            histogram.observe(value)
    keys = list(redis_client.scan_iter("metrics:*"))
    held = redis_client.mget(keys)
    rendered = {key: render(key, json) for key, json in zip(keys, held, strict=True) if isinstance(json, bytes)}
    assert rendered[b"metrics:histogram:labkit_writer_flush_seconds"]
    flat = redis_client.eval(resource("lua", "redis-exporter.lua").read_text(), 0)
    assert isinstance(flat, list)
    script = "".join(f"{flat[i].decode()} {flat[i + 1].decode()}\n" for i in range(0, len(flat), 2))
    known = {(name, pairs): value for name, pairs, value in samples(script.encode())}
    for lines in filter(None, rendered.values()):
        for name, pairs, value in samples(lines.body + lines.quantiles):
            assert known[name, pairs] == value


def test_what_labkit_writes_is_rendered_here() -> None:
    """The common case never costs the server more than the reading."""
    lines = render(b"metrics:histogram:h:a=/x y,b=2", HISTOGRAM)
    assert lines
    assert lines.body.startswith(b'h_bucket{a="/x y",b="2",le="1.0"} 1\nh_bucket{a="/x y",b="2",le="2.0"} 1\n')
    assert (lines.created, lines.quantiles.count(b"\n")) == (b"1.5", 3)
    counter = render(b"metrics:counter:c", b'{"value":3' + TIMES)
    assert counter == Lines(b"c 3\n", b"1.5")
    fox = render("metrics:counter:c:a=🦊".encode(), b'{"value":3' + TIMES)
    assert fox == Lines('c{a="🦊"} 3\n'.encode(), b"1.5")


def test_what_a_double_cannot_hold_is_not_shown() -> None:
    """The carry of a value or a sum is for the next addition only."""
    with_carry = HISTOGRAM.replace(b'"sum":9.5', b'"sum":9.5,"carry":-2.5e-17')
    assert render(b"metrics:histogram:h", with_carry) == render(b"metrics:histogram:h", HISTOGRAM)
    assert render(b"metrics:counter:c", b'{"value":3,"carry":1e-17' + TIMES) == Lines(b"c 3\n", b"1.5")
    assert render(b"metrics:counter:c", b'{"value":3,"carry":"x"' + TIMES) is None


def test_a_gauge_that_processes_share_is_rendered_here() -> None:
    """Whose values it combines, and until when, is not for the page."""
    shared = b'{"value":3.5,"carry":1e-17,"combine":"sum","writers":2,"lease":60' + TIMES
    assert render(b"metrics:gauge:g", shared) == Lines(b"g 3.5\n", b"1.5")


KEYS = {
    "no name": b"metrics:counter:",
    "no key": b"counter",
    "kind": b"metrics:summary:x",
    "name": b"metrics:counter:1x",
    "order": b"metrics:counter:x:b=1,a=2",
    "twice": b"metrics:counter:x:a=1,a=2",
    "reserved": b"metrics:counter:x:le=1",
    "dunder": b"metrics:counter:x:__a=1",
    "empty value": b"metrics:counter:x:a=",
    "encoded": b"metrics:counter:x:a=%2C",
    "quote": b'metrics:counter:x:a="',
    "backslash": b"metrics:counter:x:a=\\",
    "line break": b"metrics:counter:x:a=1\n",
    "no UTF-8": b"metrics:counter:x:a=\xff",
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_strange_key_is_left_to_judging(key: bytes) -> None:
    """It judges what is wrong, and what is only rare."""
    assert render(key, b'{"value":3' + TIMES) is None


VALUES = [
    b"", b"garbage", b'{"value":3}', b'{"value":-1' + TIMES, b'{"value":NaN' + TIMES, b'{"value":1e+400' + TIMES,
    b'{"value":3,"created":1.2.3,"updated":2.5}', b'{"value":3,"created":1' + b"0" * 400 + b',"updated":2.5}',
    b'{"value":1,"value":2' + TIMES, b'{"value":"3"' + TIMES, b'{"value":01' + TIMES, b'{"value":3' + TIMES + b" ",
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES)
def test_a_strange_value_is_left_to_judging(value: bytes) -> None:
    """Anything but the writer's own words, to the last brace."""
    assert render(b"metrics:counter:x", value) is None


@pytest.mark.parametrize(
    ("held", "instead"),
    [("[1,2]", "[2,1]"), ("[1,2]", "[1,1]"), ("[1,2]", "[1]"), ("[1,2]", "[1,1e+400]"), ("[1,2]", "[1,--2]"),
     ("[1,0,2]", "[1,0]"), ("[1,0,2]", "[1,-1,2]"), ("[1,0,2]", "[1,0.5,2]"), ("9.5", "1e+999"), ("9.5", "nan")],
)  # fmt: skip
def test_a_strange_histogram_is_left_to_judging(held: str, instead: str) -> None:
    """Bounds out of order, counts that do not fit, sums that are not numbers."""
    assert render(b"metrics:histogram:h", HISTOGRAM.replace(held.encode(), instead.encode())) is None


def test_a_histogram_of_one_bucket_has_no_quantiles() -> None:
    """Without a bound there is nothing to interpolate between: NaN, as PromQL says."""
    lines = render(b"metrics:histogram:h", json.dumps({}).encode())
    assert lines is None
    lines = render(b"metrics:histogram:h", b'{"bounds":[],"counts":[3],"sum":1,"count":3' + TIMES)
    assert lines
    assert lines.quantile(0) == b"h_p50 NaN\n"
