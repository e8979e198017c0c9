"""The bounds of a histogram: those given, as finite numbers, or those that suit its unit."""

import itertools
import json
import math
from collections.abc import Iterable

import numpy as np
import prometheus_client
import pytest
import redis

from labkit import RedisMetricsService
from labkit.errors import MetricError
from labkit.writer.buckets import MOST_BOUNDS, bounds_of

SECONDS = prometheus_client.Histogram.DEFAULT_BUCKETS[:-1]


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("", 1), ("s", 1), ("seconds", 1), ("ms", 1e3), ("milliseconds", 1e3), ("us", 1e6), ("ns", 1e9)],
)
def test_times_have_the_usual_bounds_in_their_unit(unit: str, factor: float) -> None:
    """Without a unit they are seconds, as in prometheus_client; whatever can be timed has bounds that suit."""
    assert bounds_of(None, unit, "took") == pytest.approx([second * factor for second in SECONDS], rel=1e-15)
    assert bounds_of(None, "", "took") == SECONDS


def test_bytes_have_bounds_and_other_units_must_name_theirs() -> None:
    """From 1 KiB to 1 GiB; of anything else only the application knows what is usual."""
    assert bounds_of(None, "bytes", "size")[:: len(bounds_of(None, "bytes", "size")) - 1] == (2**10, 2**30)
    with pytest.raises(MetricError, match=r"'euros' has no default buckets"):
        bounds_of(None, "euros", "amount")
    assert bounds_of([10], "euros", "amount") == (10,)


def test_a_timed_block_falls_between_the_default_bounds(
    metrics: RedisMetricsService, redis_client: redis.Redis
) -> None:
    """A histogram without unit or buckets, told 0.2 s, finds it between 0.1 and 0.25."""
    metrics.histogram("took", "Help.").observe(0.2)
    metrics.flush()
    held = json.loads(redis_client.get("metrics:histogram:took") or "")
    bucket = held["counts"].index(1)
    assert held["bounds"][bucket - 1 : bucket + 1] == [0.1, 0.25]


@pytest.mark.parametrize("given", [(n for n in (1, 2)), np.array([1, 2]), [np.uint8(1), 2, math.inf], {1: "a", 2: "b"}])
def test_bounds_come_from_anything_that_lists_numbers(given: Iterable[float]) -> None:
    """Generators and arrays too; they become doubles, and infinity at the end is implied."""
    bounds = bounds_of(given, "", "took")
    assert (bounds, {type(bound) for bound in bounds}) == ((1.0, 2.0), {float})


@pytest.mark.parametrize("given", ["12", 5, [1, "2"], [math.nan], [None], [math.inf, 1], np.array([[1.0]]), [1, 1j]])
def test_bounds_that_are_no_numbers_are_refused(given: Iterable[float]) -> None:
    """Whatever else is in the list, the error comes at the declaration and names the metric."""
    with pytest.raises(MetricError, match="took"):
        bounds_of(given, "", "took")


def test_too_many_bounds_are_refused(metrics: RedisMetricsService, redis_client: redis.Redis) -> None:
    """The most that are taken can be sent; one more, or a list without end, cannot be declared."""
    metrics.histogram("most", "Help.", buckets=range(MOST_BOUNDS)).observe(1)
    metrics.flush()
    assert redis_client.exists("metrics:histogram:most") == 1
    for many in (range(MOST_BOUNDS + 1), itertools.count()):
        with pytest.raises(MetricError, match="more than 500 buckets"):
            metrics.histogram("more", "Help.", buckets=many)
