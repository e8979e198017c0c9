"""A day of customers."""

from itertools import groupby, pairwise

import pytest

from labkit.store.day import day
from labkit.store.shop import Shop
from labkit.store.simulation import _STEPS


def test_the_same_seed_is_the_same_day() -> None:
    """The same numbers give the same steps at the same simulated times; another seed gives another day."""
    first = list(day(40, 0.5, seed=7))
    assert list(day(40, 0.5, seed=7)) == first
    assert list(day(40, 0.5, seed=8)) != first


@pytest.mark.parametrize("arrival_rate", [0.05, 0.5, 50])
def test_every_customer_comes_and_goes(arrival_rate: float) -> None:
    """Each customer joins, and then is served after looking around, or leaves; time never runs backwards."""
    steps = list(day(60, arrival_rate, seed=1))
    assert all(a.at <= b.at for a, b in pairwise(steps))
    by_customer = groupby(sorted(steps, key=lambda step: step.customer), key=lambda step: step.customer)
    visits = {customer: tuple(step.event for step in visit) for customer, visit in by_customer}
    assert list(visits) == list(range(60))
    assert set(visits.values()) <= {("joined", "looked_around", "served"), ("joined", "left")}


def test_a_crowd_makes_people_give_up() -> None:
    """Nobody leaves an empty shop; when people come faster than they can be served, many do."""
    assert not [step for step in day(60, 0.01, seed=1) if step.event == "left"]
    assert len([step for step in day(60, 10, seed=1) if step.event == "left"]) > 20


def test_the_shop_allows_the_whole_day() -> None:
    """A shop of their own refuses no step of the day, and is empty at its end."""
    shop = Shop()
    for step in day(500, 0.7, seed=3):
        _STEPS[step.event](shop)
    assert (shop.counts.waiting, shop.counts.active, shop.counts.total) == (0, 0, 500)
