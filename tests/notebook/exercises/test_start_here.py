"""Notebook 00: each typical wrong answer hears what it is."""

from typing import Any

import pytest

from labkit import Prometheus, Stack
from labkit.notebook.exercises.start_here import StartHere
from labkit.store import client
from tests.notebook.exercises.conftest import Reply

JOINED = 'user_events{event="joined"}'


def _events(lab: Stack) -> dict[str, Any]:
    events: dict[str, Any] = client.status(lab.urls["store"])["ledger"]["events"]
    return events


def test_the_right_number_is_right_in_each_wrapping(lab: Stack, reply: Reply) -> None:
    """A number, text, the row of a table, a series of one: all are read as the number."""
    table, joined = Prometheus(lab.urls["prometheus"]).wait_until(JOINED), _events(lab)["joined"]
    for answer in (joined, float(joined), str(joined), table, table["value"], table["value"].to_numpy(), [joined]):
        assert f"✔ `joined`: {joined} is how many *joined*" in reply(StartHere(lab), "joined", answer)


@pytest.mark.parametrize(
    ("name", "wrong", "says"),
    [
        ("joined", lambda events: events["served"], "is how many were *served*; which event is *joined*?"),
        ("joined", lambda events: events["looked_around"], "is how many *looked around*; which"),
        ("joined", lambda events: sum(events.values()), "is all four events together"),
        ("joined", lambda _: 4.25, "4.25 is no whole number of people: a `rate` says"),
        ("joined", lambda _: 987654, "987654 is not the number of any event"),
        ("joined", lambda _: "many", "It is `'many'`; the answer is a number."),
        ("left", lambda events: events["joined"], "is how many *joined*; which event is *left*?"),
        ("left", lambda _: None, "It is `None`, nothing at all"),
        ("left", lambda events: events, "It is a whole mapping, of `joined`"),
        ("left", lambda _: print, "It is a function that was not called"),
        ("left", lambda _: float("nan"), "`nan` is what a calculation without values gives"),
    ],
)
def test_a_wrong_answer_hears_what_it_is(lab: Stack, reply: Reply, name: str, wrong: Any, says: str) -> None:
    """Another event, all of them, a rate, no number: each is called by its name."""
    said = reply(StartHere(lab), name, wrong(_events(lab)))
    assert f"✘ `{name}`: " in said and says in said
    assert "Hint 1: " in said


def test_a_table_of_all_events_is_not_a_number(lab: Stack, reply: Reply) -> None:
    """It has four rows; and one of what is not there has none."""
    prometheus = Prometheus(lab.urls["prometheus"])
    assert "It has 4 rows" in reply(
        StartHere(lab), "joined", prometheus.wait_until("user_events", lambda table: len(table) == 4)
    )
    assert "It is empty" in reply(StartHere(lab), "joined", prometheus.query("user_evnts"))


def test_who_asks_while_customers_come_is_right(lab: Stack, reply: Reply) -> None:
    """Prometheus is a little late, and the answer with it; the reply says what the ledger says by now."""
    before = _events(lab)["joined"]
    Prometheus(lab.urls["prometheus"]).wait_until(JOINED, lambda table: table["value"].item() == before)
    client.simulate(lab.urls["store"], customers=1, speed=100, seed=1)
    while _events(lab)["joined"] == before:
        pass
    assert f"{before} is how many *joined* a moment ago" in reply(StartHere(lab), "joined", before)


def test_nothing_is_lost_only_after_something_was_broken(lab: Stack, reply: Reply) -> None:
    """Who guesses is told to break it; who broke it, to mend it; then 0 is right, and other numbers are called."""
    check, prometheus = StartHere(lab), Prometheus(lab.urls["prometheus"])
    up = 'up{job="labkit"}'
    assert "has seen no gap yet" in reply(check, "lost", 0)
    lab.kill("sidecar")
    prometheus.wait_until(up, lambda table: (table["value"] == 0).all())
    assert "The sidecar does not answer now" in reply(check, "lost", 0)
    lab.start("sidecar")
    prometheus.wait_until(up, lambda table: (table["value"] == 1).all())
    assert "is how many joined in all" in reply(check, "lost", _events(lab)["joined"])
    assert "3 were on their way" in reply(check, "lost", 3)
    assert "✔ `lost`: None." in reply(check, "lost", 0)
