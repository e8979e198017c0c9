"""One truth about what anybody may have written: the sidecar in Python, and the script for the stock exporter."""

import json
import re
from itertools import product

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit.keyspace.keys import Keys
from labkit.keyspace.numbers import le
from labkit.resources import resource
from labkit.sidecar.judging import judge
from labkit.sidecar.mirror import Mirror
from labkit.sidecar.rendering import Lines, render
from tests.sidecar.hostile import CASES, ONE, SMALL, TIMES, Case

SCRIPT = resource("lua", "redis-exporter.lua").read_text()
# Names that the two pages have of their own.
RESERVED = ("redis_up", "up", "scrape_duration_seconds")
OWN = ("labkit_sidecar_series", "labkit_sidecar_series_skipped")


def put(client: redis.Redis, *cases: Case) -> None:
    for version, (key, value) in enumerate(cases, 1):
        client.set(key, value)
        client.zadd("metrics.index", {key: version})
    client.hset("metrics.state", mapping={"epoch": "e", "version": len(cases)})


def stock(client: redis.Redis) -> tuple[dict[str, str], dict[str, int]]:
    """The samples that the stock exporter gets, and how many series are skipped, by reason."""
    flat = [item.decode() for item in client.eval(SCRIPT, 0)]
    assert len(set(flat[::2])) == len(flat) // 2
    said = dict(zip(flat[::2], flat[1::2], strict=True))
    skipped = {key[len(OWN[1]) + 9 : -2]: int(said.pop(key)) for key in list(said) if key.startswith(OWN[1])}
    said.pop(OWN[0])
    return {sample: repr(float(value)) for sample, value in said.items()}, skipped


def ours(client: redis.Redis) -> tuple[dict[str, str], dict[str, int]]:
    mirror = Mirror(client, Keys(), [*RESERVED, *OWN])
    mirror.refresh()
    lines = [line for line in b"".join(mirror.page()).decode().split("\n") if line and line[0] != "#"]
    parts = [line.rpartition(" ") for line in lines]
    assert len({sample for sample, _, _ in parts}) == len(parts)
    return {sample: repr(float(value)) for sample, _, value in parts}, {k: n for k, n in mirror.skipped.items() if n}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_both_say_the_same(redis_client: redis.Redis, case: Case) -> None:
    """Sample by sample and reason by reason, whatever is in the key and in the JSON."""
    put(redis_client, case)
    assert ours(redis_client) == stock(redis_client)


def test_both_say_the_same_of_everything_together(redis_client: redis.Redis) -> None:
    """No series costs another one its place, and each is shown or counted."""
    named = [(key.replace(b":x", b":x%d" % n, 1), value) for n, (key, value) in enumerate(CASES.values())]
    put(redis_client, *named, (b"other:counter:x", ONE), (b"metrics:counter:good", ONE))
    samples, skipped = stock(redis_client)
    assert ours(redis_client) == (samples, skipped)
    assert samples["good"] == "1.0"
    assert set(skipped) == {"length", "prefix", "kind", "name", "labels", "json", "value", "bounds", "counts"}


alphabet = st.sampled_from([*map(chr, b'{}[]",:.0123e-+ \\tnu'), "value", "bounds", '"value":', '"x":', "[1,2]", "1.5"])
texts = st.lists(alphabet, max_size=12).map("".join)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts)
def test_both_say_the_same_of_any_text(redis_client: redis.Redis, text: str) -> None:
    """As a value, after a value, in a list and in a key."""
    redis_client.flushall()
    inside = text.encode()
    values = (inside, b"{" + inside + b"}", b'{"value":1,' + inside + b"}", b'{"value":' + inside + TIMES)
    cases = [(b"metrics:gauge:g%d" % n, value) for n, value in enumerate(values)]
    cases.append((b"metrics:histogram:h", b'{"bounds":[%b],"counts":[1,1],"sum":1}' % inside))
    put(redis_client, *cases, (b"metrics:counter:k:" + inside, ONE), (b"metrics:counter:" + inside, ONE))
    assert ours(redis_client) == stock(redis_client)


# Powers of two, and what is next to nothing, have shortest texts that are hard to find.
bounds = st.floats(-1e300, 1e300) | st.floats(0, 1e-300) | st.integers(-1074, 1000).map(lambda power: 2.0**power)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(bounds, min_size=1, max_size=30, unique=True).map(sorted))
def test_both_write_bounds_alike(redis_client: redis.Redis, bounds: list[float]) -> None:
    """Any bound has one text, that of `labkit.keyspace.numbers`: else Prometheus would hold two series."""
    redis_client.flushall()
    value = json.dumps({"bounds": bounds, "counts": [1] * (len(bounds) + 1), "sum": 1}).encode()
    put(redis_client, (b"metrics:histogram:h", value))
    samples, _ = stock(redis_client)
    assert ours(redis_client)[0] == samples
    assert {f'h_bucket{{le="{le(bound)}"}}' for bound in bounds} <= set(samples)


CLASHING = [
    f"metrics:{kind}:{name}".encode()
    for kind, name in product(
        ("counter", "gauge", "histogram"),
        ("h", "h_sum", "h_count", "h_sum_count", "h_p50", "h_p50_bucket", "hh", "up", "scrape_duration_seconds"),
    )
]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.sampled_from(CLASHING)))
def test_both_give_a_name_to_the_same_family(redis_client: redis.Redis, keys: set[bytes]) -> None:
    """Whoever else claims it."""
    redis_client.flushall()
    both = ONE[:-1] + b',"bounds":[1],"counts":[1,1],"sum":1}'
    put(redis_client, *[(key, both) for key in sorted(keys)])
    assert ours(redis_client) == stock(redis_client)


@pytest.mark.parametrize("key", [key for key, _ in SMALL.values()])
def test_the_quick_way_and_the_thorough_one_agree(key: bytes) -> None:
    """Where labkit's own words are rendered by patterns, whoever reads them slowly finds the same."""
    for _, value in SMALL.values():
        quick, thorough = render(key, value), judge(key, value)
        if quick:
            assert isinstance(thorough, Lines)
            assert numbers(quick) == numbers(thorough)
            assert (quick.created, quick.digest) == (thorough.created, thorough.digest)


def numbers(lines: Lines) -> list[tuple[bytes, float]]:
    found = re.findall(rb"^(.*) (\S+)$", lines.body + lines.quantiles.replace(b"NaN", b"7"), re.MULTILINE)
    return [(sample, float(value)) for sample, value in found]
