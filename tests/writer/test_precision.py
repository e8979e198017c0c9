"""No digit is lost on the way: what Redis holds is what doubles add up to, compared with math.fsum.

The bound: each merge rounds once, to the nearest double, so m merges are off by at most m * 2^-53 of the sum of what
was added, without regard to signs. That is 1.2e-10 of it after a million. What is folded before a merge adds one
rounding for every 4096 records, not one for each.
"""

import json
import math
from itertools import accumulate
from random import Random

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit import RedisMetricsService
from labkit.batch import Outbox
from labkit.declaration import Declaration
from labkit.keys import Keys
from labkit.metrics import SLICE, Histogram
from labkit.registry import Registry
from labkit.scripts import WriteScripts
from labkit.timing import Timing

HALF_ULP = 2.0**-53
SERIES, MERGES = 128, 2000
SAME_SERVER = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def text(client: redis.Redis, key: str) -> str:
    """The JSON as Redis holds it, not as Python reads it."""
    found = client.get(key)
    assert isinstance(found, bytes)
    return found.decode()


def off_by_at_most(found: float, values: list[float], roundings: int) -> None:
    """`found` is the sum of the values, but for so many roundings to the nearest double."""
    assert abs(found - math.fsum(values)) <= roundings * HALF_ULP * math.fsum(map(abs, values))


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
    """A sum merged in several batches is, to the last bit, that of the doubles added in this order."""
    redis_client.delete("metrics:histogram:h")
    for value in values:
        metrics.histogram("h", "Help.", buckets=(0,)).observe(value)
        metrics.flush()
    found = json.loads(text(redis_client, "metrics:histogram:h"))["sum"]
    assert found == list(accumulate(values))[-1]
    off_by_at_most(found, values, roundings=len(values))


def test_a_quarter_of_a_million_merges(redis_client: redis.Redis) -> None:
    """128 sums of either sign, merged 2,000 times each by the real script, keep to the bound, and to the last bit."""
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
        assert (held["counts"], held["count"], held["sum"]) == ([MERGES, 0, 0], MERGES, list(accumulate(values))[-1])
        off_by_at_most(held["sum"], values, roundings=MERGES)


def test_a_million_merges_as_the_script_makes_them() -> None:
    """The script adds as Python does (see above), so Python can tell: a million times 0.1 is off by 1.4e-11."""
    *_, total = accumulate([0.1] * 1_000_000)
    off_by_at_most(total, [0.1] * 1_000_000, roundings=1_000_000)
    assert total == pytest.approx(100_000, rel=1.4e-11, abs=0)


def test_millions_folded_in_memory() -> None:
    """Two million observations between two flushes are off by a rounding for each slice, and none is missing."""
    random = Random(54)
    took = Registry(Keys(), 10).declare(Declaration("histogram", "h", "Help.", buckets=(1.0,)), Histogram)
    values = [random.lognormvariate(0, 3) for _ in range(2_000_000)]
    for value in values:
        took.observe(value)
    while took.fold():
        pass
    *_, adds, total = json.loads(took.take() or "")
    assert sum(adds[1::2]) == len(values)
    off_by_at_most(total, values, roundings=len(values) // SLICE + 1)
