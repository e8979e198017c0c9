"""No digit is lost on the way: what Redis holds is what doubles add up to, compared with math.fsum.

A series carries what a double cannot hold of its sum, so that however many merges are rounded as if they were one: the
result is the double nearest to the exact sum, or the one beside it. What is folded before a merge adds one rounding for
every 4096 records, not one for each.
"""

import json
import math
import re
from random import Random

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit import RedisMetricsService
from labkit.keyspace.keys import Keys
from labkit.keyspace.script import Script
from labkit.writer.batch import Outbox
from labkit.writer.declaration import Declaration
from labkit.writer.metrics import SLICE, Histogram
from labkit.writer.registry import Registry
from labkit.writer.scripts import WriteScripts
from labkit.writer.timing import Timing

HALF_ULP = 2.0**-53
SERIES, MERGES = 128, 2000
SAME_SERVER = settings(
    max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def text(client: redis.Redis, key: str) -> str:
    """The JSON as Redis holds it, not as Python reads it."""
    found = client.get(key)
    assert isinstance(found, bytes)
    return found.decode()


def off_by_at_most(found: float, values: list[float], roundings: int) -> None:
    """`found` is the sum of the values, but for so many roundings to the nearest double."""
    assert abs(found - math.fsum(values)) <= roundings * HALF_ULP * math.fsum(map(abs, values))


def rounded_once(found: float, values: list[float]) -> None:
    """`found` is the exact sum or next to it; what the carry loses itself is the square of a rounding."""
    exact = math.fsum(values)
    assert abs(found - exact) <= math.ulp(exact) + len(values) * HALF_ULP**2 * math.fsum(map(abs, values))


@pytest.mark.parametrize("n", [10**14 - 1, 10**14, 10**15 + 1, 2**53 - 1])
def test_large_integers_are_written_digit_by_digit(
    metrics: RedisMetricsService, redis_client: redis.Redis, n: int
) -> None:
    """No exponent and no rounding to 14 digits, in any kind of series, whether it is new or added to."""
    for part in (n - 1, 1):
        metrics.counter("c", "Help.").inc(part)
        metrics.gauge("g", "Help.").inc(-part)
        metrics.gauge("s", "Help.", shared="sum").inc(part)
        metrics.histogram("h", "Help.", buckets=(n,)).observe(part)
        metrics.flush()
    assert f'{{"value":{n},' in text(redis_client, "metrics:counter:c")
    assert f'{{"value":{-n},' in text(redis_client, "metrics:gauge:g")
    assert f'{{"value":{n},' in text(redis_client, "metrics:gauge:s")
    assert f'{{"bounds":[{n}],"counts":[2,0],"sum":{n},' in text(redis_client, "metrics:histogram:h")


@SAME_SERVER
@given(st.lists(st.integers(1, 2**53 // 8 - 1), min_size=1, max_size=8))
def test_counters_are_exact_up_to_two_to_the_53(
    metrics: RedisMetricsService, redis_client: redis.Redis, amounts: list[int]
) -> None:
    """Whatever integers are added, in whatever batches, the digits are those of their sum."""
    redis_client.delete("metrics:counter:c")
    for amount in amounts:
        metrics.counter("c", "Help.").inc(amount)
        metrics.flush()
    assert text(redis_client, "metrics:counter:c").startswith(f'{{"value":{sum(amounts)},')


@SAME_SERVER
@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=8))
def test_sums_are_those_of_doubles(
    metrics: RedisMetricsService, redis_client: redis.Redis, values: list[float]
) -> None:
    """A sum merged in several batches is that of all its values at once, even where they nearly cancel out."""
    redis_client.delete("metrics:histogram:h")
    for value in values:
        metrics.histogram("h", "Help.", buckets=(0,)).observe(value)
        metrics.flush()
    rounded_once(json.loads(text(redis_client, "metrics:histogram:h"))["sum"], values)


def test_a_quarter_of_a_million_merges(redis_client: redis.Redis) -> None:
    """Sums of either sign, merged 2,000 times each by the real script, are as good as one rounding."""
    random, outbox = Random(53), Outbox(Timing())
    names = [f"metrics:histogram:h:s={n}" for n in range(SERIES)]
    added: list[list[float]] = [[] for _ in names]
    scripts = WriteScripts(redis_client, Keys())
    scripts.load()
    with scripts.stream() as stream:
        for _ in range(MERGES):
            values = [random.lognormvariate(0, 3) * random.choice((1, 1, 1, -1)) for _ in names]
            for values_of_series, value in zip(added, values, strict=True):
                values_of_series.append(value)
            operations = [f'["histogram",true,"1,2",[1,1],{value!r}]' for value in values]
            stream.send(outbox.add([(key, op, 1) for key, op in zip(names, operations, strict=True)], {}), 1)
            assert stream.receive().status == "applied"
            outbox.acknowledge()
    for key, values in zip(names, added, strict=True):
        held = json.loads(text(redis_client, key))
        assert (held["counts"], held["count"]) == ([MERGES, 0, 0], MERGES)
        rounded_once(held["sum"], values)


def test_a_million_merges(redis_client: redis.Redis) -> None:
    """The script's own addition, a million times in the server: plain doubles would be off by 1.3e-11, this is not."""
    addition = re.search(r"local function add_exactly.*?\nend\n", Script("flush.lua").text, re.DOTALL)
    assert addition
    loop = "local hi, lo = 0, 0 for i = 1, 1000000 do hi, lo = add_exactly(hi, lo, 0.1) end"
    total = redis_client.eval(f"{addition[0]}{loop} return string.format('%.17g', hi)", 0)
    assert isinstance(total, bytes)
    assert float(total) == math.fsum([0.1] * 1_000_000)


def test_millions_folded_in_memory() -> None:
    """Two million observations between two flushes are off by a rounding for each slice, and none is missing."""
    random = Random(54)
    took = Registry(Keys(), 10).declare(Declaration("histogram", "h", "Help.", buckets=(1.0,)), Histogram)
    values = [random.lognormvariate(0, 3) for _ in range(2_000_000)]
    for value in values:
        took.observe(value)
    while took.fold():
        pass
    *_, adds, total = json.loads(took.operation("record") or "")
    assert sum(adds[1::2]) == len(values)
    off_by_at_most(total, values, roundings=len(values) // SLICE + 1)
