"""The queue: what can happen, and what cannot."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.store.shop import EVENTS, Counts, Event, Shop, StepRefusedError

STEPS = {"join": Shop.join, "look": Shop.look_around, "serve": Shop.serve, "leave": Shop.leave}


@pytest.mark.parametrize(
    ("steps", "counts"),
    [
        ("", Counts()),
        ("join", Counts(waiting=1, total=1)),
        ("join look", Counts(active=1, total=1)),
        ("join look serve", Counts(served=1, total=1)),
        ("join serve", Counts(served=1, total=1)),
        ("join join look serve", Counts(waiting=1, served=1, total=2)),
        ("join leave", Counts(total=1)),
        ("join join look leave", Counts(active=1, total=2)),
        ("join look leave", Counts(total=1)),
    ],
)
def test_steps_move_customers(steps: str, counts: Counts) -> None:
    """Served is who has looked around, before who waits; it leaves who waits, before who looks around."""
    shop = Shop()
    for step in steps.split():
        assert STEPS[step](shop) == shop.counts
    assert shop.counts == counts


@pytest.mark.parametrize(
    ("before", "step", "reason"),
    [
        ("", "look", "Nobody is waiting"),
        ("join look", "look", "Nobody is waiting"),
        ("", "serve", "nobody can be served"),
        ("join serve", "serve", "nobody can be served"),
        ("", "leave", "nobody can leave"),
    ],
)
def test_impossible_steps_are_refused(before: str, step: str, reason: str) -> None:
    """A step that nobody can take says why, changes nothing, and no watcher hears of it."""
    heard: list[Event] = []
    shop = Shop(lambda event, _: heard.append(event))
    for done in before.split():
        STEPS[done](shop)
    counts = shop.counts
    with pytest.raises(StepRefusedError, match=reason):
        STEPS[step](shop)
    assert shop.counts == counts
    assert len(heard) == len(before.split())


@given(st.lists(st.sampled_from(list(STEPS))))
def test_nobody_is_lost(steps: list[str]) -> None:
    """Whatever is tried, everybody who joined waits, looks around, was served or has left."""
    events: list[Event] = []
    shop = Shop(lambda event, _: events.append(event))
    for step in steps:
        with suppress(StepRefusedError):
            STEPS[step](shop)
    now = shop.counts
    assert now.total == now.waiting + now.active + now.served + events.count("left")
    assert min(now.waiting, now.active, now.served, now.total) >= 0


def test_threads_share_a_shop() -> None:
    """Steps taken by many threads at once are heard of one by one, each with the counts it led to."""
    heard: list[tuple[Event, Counts]] = []
    shop = Shop(lambda event, counts: heard.append((event, counts)))

    def visit(_: int) -> None:
        for step in (shop.join, shop.look_around, shop.join, shop.leave, shop.serve):
            step()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(visit, range(400)))
    assert heard[-1][1] == shop.counts == Counts(served=400, total=800)
    assert [counts.total for event, counts in heard if event == "joined"] == list(range(1, 801))
    assert {event for event, _ in heard} == set(EVENTS)
