"""When requests are due, and which."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.store.shop import Shop, StepRefusedError
from labkit.traffic.schedule import SHAPES, Schedule, Shape, after_refusal, before_closing, customers_for, journey

CHANGES = {"join": 1, "look-around": 0, "served": -1, "left": -1}


@pytest.mark.parametrize(("shape", "total"), [("steady", 1000), ("ramp", 500), ("spike", 360)])
def test_the_total_is_the_area_under_the_rate(shape: Shape, total: int) -> None:
    """The number of requests follows from the shape; the last one is due before the end, and there is none after it."""
    schedule = Schedule(shape, rate=100, duration=10)
    assert schedule.total == total
    assert schedule.due(total - 1) < 10 < schedule.due(total)


@given(st.sampled_from(SHAPES), st.floats(0.1, 1000), st.floats(1, 3600))
def test_times_ascend_within_the_duration(shape: Shape, rate: float, duration: float) -> None:
    """Each request is due after the one before it, and within the duration."""
    schedule = Schedule(shape, rate, duration)
    times = [schedule.due(number) for number in range(min(schedule.total, 200))]
    assert all(a < b for a, b in pairwise(times))
    assert all(0 <= at <= duration for at in times)


@pytest.mark.parametrize(
    ("shape", "per_second"),
    [
        ("steady", [50] * 10),
        ("ramp", [2.5, 7.5, 12.5, 17.5, 22.5, 27.5, 32.5, 37.5, 42.5, 47.5]),
        ("spike", [10, 10, 10, 10, 50, 50, 10, 10, 10, 10]),
    ],
)
def test_each_second_has_its_share(shape: Shape, per_second: list[float]) -> None:
    """In every second of the schedule as many requests are due as the shape has there, give or take one."""
    schedule = Schedule(shape, rate=50, duration=10)
    due = [int(schedule.due(number)) for number in range(schedule.total)]
    assert [due.count(second) for second in range(10)] == pytest.approx(per_second, abs=1)


@pytest.mark.parametrize(("shape", "crowds"), [("steady", [20, 20, 20]), ("ramp", [1, 10, 20]), ("spike", [4, 20, 20])])
def test_customers_come_with_the_rate(shape: Shape, crowds: list[int]) -> None:
    """As the rate rises customers come; none is sent away when it falls."""
    schedule = Schedule(shape, rate=20, duration=10)
    assert [schedule.crowd(seconds, 20) for seconds in (0, 5, 10)] == crowds


def test_customers_by_default() -> None:
    """About one customer for each request per second, but never a handful or a mob."""
    assert [customers_for(rate) for rate in (0.1, 20, 99.5, 1000)] == [5, 20, 100, 100]


def test_journeys() -> None:
    """Most customers look around and are served; some give up, and a few never joined."""
    random = Random(1)
    journeys = [" ".join(journey(random)) for _ in range(3000)]
    shares = {journey: journeys.count(journey) / 3000 for journey in journeys}
    assert shares.pop("join look-around served") == pytest.approx(0.74, abs=0.04)
    assert shares.pop("join left") == pytest.approx(0.145, abs=0.03)
    assert shares.pop("join look-around left") == pytest.approx(0.08, abs=0.03)
    assert shares.pop("left") == pytest.approx(0.033, abs=0.02)
    assert not shares


@given(st.integers(0, 2**32), st.integers(1, 300), st.integers(1, 20))
def test_the_store_is_empty_at_closing_time(seed: int, total: int, customers: int) -> None:
    """However many requests there are, the last of them send home who is inside."""
    random, inside = Random(seed), 0
    journeys = [journey(random) for _ in range(customers)]
    for left in range(total, 0, -1):
        who = random.randrange(customers)
        step = next(journeys[who], None)
        if step is None:
            journeys[who] = journey(random)
            step = next(journeys[who])
        inside = max(0, inside + CHANGES[before_closing(step, left, inside)])
    assert inside == 0


@pytest.mark.parametrize("seed", range(5))
def test_nobody_leaves_a_place_behind(seed: int) -> None:
    """Whoever took whose place: no more are inside than have come, and when all have gone home, nobody is."""
    random, shop, inside = Random(seed), Shop(), set[int]()
    take = {"join": shop.join, "look-around": shop.look_around, "served": shop.serve, "left": shop.leave}
    journeys = [journey(random) for _ in range(20)]
    for turn in range(20_000):
        who = random.randrange(20)
        if turn >= 19_000:
            journeys[who] = iter(("left",) if who in inside else ())
        step = next(journeys[who], None)
        if step is None:
            journeys[who] = journey(random)
            continue
        try:
            take[step]()
        except StepRefusedError:
            journeys[who] = after_refusal(step, random)
        inside = inside | {who} if step in ("join", "look-around") else inside - {who}
        assert shop.counts.waiting + shop.counts.active <= len(inside)
    assert (shop.counts.waiting, shop.counts.active) == (0, 0)
