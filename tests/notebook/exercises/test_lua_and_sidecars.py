"""Notebook 03: each typical wrong answer hears what it is."""

import logging
from collections.abc import Iterator

import pytest
import redis

from labkit import RedisMetricsService, Stack
from labkit.notebook.exercises import lua_and_sidecars
from labkit.notebook.exercises.lua_and_sidecars import LuaAndSidecars
from tests.notebook.exercises.conftest import Reply

DROPPED = "metrics:counter:labkit_writer_series_dropped_total:reason=json"


@pytest.fixture(scope="module")
def poisoned(lab: Stack) -> Iterator[Stack]:
    """A lab in which a writer has met a poisoned key."""
    logging.getLogger("labkit").setLevel(logging.ERROR)
    with redis.Redis.from_url(lab.urls["redis"]) as server, RedisMetricsService(lab.urls["redis"]) as writer:
        server.set("metrics:counter:lab_poison", "garbage")
        writer.counter("lab_poison", "Poisoned.").inc()
        writer.counter("lab_events", "What happened.", ["event"]).labels(event="joined").inc()
        writer.flush()
    yield lab
    logging.getLogger("labkit").setLevel(logging.NOTSET)


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("written", "lab_events"),
        ("written", ["lab_events"]),
        ("written", "metrics:counter:lab_events:event=joined"),
        ("reason", "json"),
        ("reason", {"json": 1, "wrongtype": 0}),
        ("cut", 2),
        ("exact", "return tostring(2.5)"),
        ("exact", "return string.format('%.17g', 2.5)"),
        ("exact", "local x = 2.5\nreturn '' .. x"),
    ],
)
def test_a_right_answer_is_right(poisoned: Stack, reply: Reply, name: str, right: object) -> None:
    """Names, keys, the whole of `dropped`, and any script that keeps the number."""
    assert f"✔ `{name}`: " in reply(LuaAndSidecars(poisoned), name, right)


@pytest.mark.parametrize(
    ("name", "wrong", "says"),
    [
        ("written", "lab_poison", "`lab_poison` still holds what somebody wrote there"),
        ("written", ["lab_events", "lab_poison"], "Not both"),
        ("written", "neither", "which of them was written?"),
        ("reason", "wrongtype", "`wrongtype` is a reason, but for other faults"),
        ("reason", "skipped", "*Skipped* is what a reader does"),
        ("reason", "lab_poison", "is the name of a counter"),
        ("reason", 1, "`1` is how many. For which reason?"),
        ("reason", {"json": 0}, "This writer has dropped nothing"),
        ("reason", "bad luck", "is not a reason that"),
        ("cut", 2.5, "2.5 is what one would hope"),
        ("cut", 3, "3 would be *rounded*"),
        ("cut", 25, "25 is not what Redis replies"),
        ("exact", "return 2.5", "Redis replies 2, an integer"),
        ("exact", "return '2.5'", "a text that you wrote yourself"),
        ("exact", "tostring(2.5)", "`tostring(2.5)` returns nothing"),
        ("exact", "return tostring(2.5", "Redis refuses this script"),
        ("exact", "while true do end return 2.5", "does not end by itself"),
        ("exact", "return tostring(2)", "Redis replies `'2'`, not `2.5`"),
        ("exact", 2.5, "the answer is a text"),
        ("exact", "return redis.call('SET', 'a', '2.5')", "Redis refuses this script"),
    ],
)
def test_a_wrong_answer_hears_what_it_is(poisoned: Stack, reply: Reply, name: str, wrong: object, says: str) -> None:
    """The other counter, another reason, a number for a script: each is called by its name."""
    said = reply(LuaAndSidecars(poisoned), name, wrong)
    assert f"✘ `{name}`: " in said and says in said


def test_who_has_not_done_it_is_told_so(poisoned: Stack, reply: Reply, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as no writer has dropped anything, the right guess is none."""
    monkeypatch.setattr(lua_and_sidecars, "_PATIENCE", 0.0)
    with redis.Redis.from_url(poisoned.urls["redis"]) as server:
        held = server.getdel(DROPPED)
        assert "No writer has met a poisoned key yet" in reply(LuaAndSidecars(poisoned), "written", "lab_events")
        assert "No writer has dropped anything yet" in reply(LuaAndSidecars(poisoned), "reason", "json")
        server.set(DROPPED, held)
