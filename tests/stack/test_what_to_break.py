"""The table "What to break" of docs/teaching.md, row by row: each command as it stands there, and what the page says.

What was measured is in out/what-to-break.json; with `LABKIT_ON_TIME=1` each step is also held to the time that the page
states, for a machine that has nothing else to do.
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from time import monotonic, time
from typing import cast

import httpx
import pytest
import redis

from harness.process import wait_until
from labkit import Prometheus, QueryError, Stack
from labkit.experiments import ledger
from labkit.store.client import status
from labkit.traffic.client import LocustClient
from tests import ROOT

MANUAL = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
TABLE = MANUAL.partition("## What to break")[2].partition("\n## ")[0]
ROWS = {row[0]: row[1:] for row in re.findall(r"^\|" + r" (.+?) \|" * 5 + "$", TABLE, re.MULTILINE)[1:]}
HOW, LOOKS, DOES_NOT, BACK = range(4)
JOINED = "metrics:counter:user_events:event=joined"


class Lesson:
    """A lab with customers, a page that says what happens when it is broken, and how long that took to be seen."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.prometheus = stack, Prometheus(stack.urls["prometheus"])
        self.client = redis.Redis.from_url(stack.urls["redis"])
        self.took = dict[str, float]()

    def do(self, row: str, column: int) -> str:
        """Do what the page says, a call in Python or a magic; return it."""
        command = str(re.findall(r"`(.+?)`", ROWS[row][column])[0])
        if command.startswith("%redis "):
            self.client.execute_command(*command.split()[1:])
        else:
            eval(command, {"stack": self.stack})  # noqa: S307  the page's own words
        return command

    def sees(self, row: str, column: int, words: str, condition: Callable[[], object]) -> None:
        """Wait for what these words of the page announce."""
        assert words in ROWS[row][column], f"docs/teaching.md, {row}, does not say: {words}"
        started = monotonic()
        wait_until(condition, f"{row}: {words}", 120)
        self.took[f"{row}: {words}"] = round(monotonic() - started, 2)

    def back(self, row: str, words: str, condition: Callable[[], object]) -> None:
        """Mend it as the page says; the time is that from the command on."""
        assert words in ROWS[row][BACK], f"docs/teaching.md, {row}, does not say: {words}"
        started = monotonic()
        self.do(row, BACK)
        wait_until(condition, f"{row}: {words}", 120)
        self.took[f"{row}: {words}"] = round(monotonic() - started, 2)

    def value(self, promql: str) -> float | None:
        """The value of the one series that Prometheus has; None if there is none."""
        frame = self.prometheus.query(promql)
        return float(frame["value"].item()) if len(frame) else None

    def total(self) -> float:
        return self.value("sum(user_events)") or 0.0

    def recorded(self) -> float:
        """How many events the store knows of."""
        return float(sum(status(self.stack.urls["store"])["ledger"]["events"].values()))

    def in_redis(self, key: str = JOINED) -> float:
        return float(json.loads(cast(bytes, self.client.get(key)))["value"])

    def goes_on(self) -> None:
        """The store answers its customers, and counts."""
        before = self.recorded()
        wait_until(lambda: self.recorded() > before, "another event")
        assert LocustClient(self.stack.urls["locust"]).stats().failures == 0

    def is_right(self) -> Callable[[], bool]:
        """Whether all that has happened by now has arrived."""
        recorded = self.recorded()
        return lambda: self.total() >= recorded

    def gap(self, series: str) -> float:
        """The longest time between two samples of a series in the last minute, s."""
        url, query = f"{self.stack.urls['prometheus']}/api/v1/query", {"query": f"{series}[1m]"}
        (found,) = httpx.get(url, params=query).json()["data"]["result"]
        times = [at for at, _ in found["values"]]
        return float(max(after - before for before, after in pairwise(times)))

    def on_time(self) -> None:
        """Write down what was measured; if so wished, nothing took longer than the page says."""
        (ROOT / "out").mkdir(exist_ok=True)
        (ROOT / "out" / "what-to-break.json").write_text(json.dumps(self.took, indent=1))
        if os.environ.get("LABKIT_ON_TIME"):
            stated = {words: float(found[1]) for words in self.took if (found := re.search(r"(\d+) s\b", words))}
            assert {words: self.took[words] for words, most in stated.items() if self.took[words] > most} == {}


@pytest.fixture
def lesson(tmp_path: Path) -> Iterator[Lesson]:
    """A lab as the page has it, with 20 requests per second, some of which Prometheus has seen."""
    with Stack.up(home=tmp_path, ports="auto", scrape_interval=1, flush_interval=1) as stack:
        stack.start_traffic(20)
        lesson = Lesson(stack)
        lesson.prometheus.wait_until("user_events", lambda frame: len(frame) == 4)
        yield lesson
        lesson.client.close()


# One walk: what the first four rows do not lose is seen at once when nobody comes any more.
@pytest.mark.timeout(600)
def test_the_table(lesson: Lesson) -> None:
    """Each row does what it says, not what it says it does not, and all is well again as it says."""
    walk = [redis_hangs, the_sidecar_dies, prometheus_dies, redis_dies, the_store_dies, a_poisoned_key]
    assert [row.__name__.replace("_", " ") for row in walk] == [name.lower() for name in ROWS]
    for row in walk[:4]:
        row(lesson)
    nothing_is_lost(lesson)
    for row in walk[4:]:
        row(lesson)
    lesson.on_time()


def redis_hangs(lesson: Lesson) -> None:
    row, began = "Redis hangs", time()
    lesson.do(row, HOW)
    lesson.sees(row, LOOKS, "`redis_up` 0 within 4 s", lambda: lesson.value("redis_up") == 0)
    lesson.sees(row, LOOKS, "the store's lines stop", lambda: lesson.total() == 0)
    lesson.goes_on()
    lesson.back(row, "right within 4 s", lesson.is_right())
    # A busy machine may be late for a scrape whoever is paused: hence not each of them.
    assert (lesson.value(f"avg_over_time(up{{job='labkit'}}[{time() - began:.0f}s])") or 0) > 0.7, "`up` fell"


def the_sidecar_dies(lesson: Lesson) -> None:
    row = "the sidecar dies"
    lesson.do(row, HOW)
    lesson.sees(row, LOOKS, "`up` 0 within 2 s", lambda: lesson.value("up{job='labkit'}") == 0)
    lesson.sees(row, LOOKS, "all lines have a gap", lambda: lesson.total() == 0)
    lesson.goes_on()
    lesson.back(row, "`up` is 1 within 5 s", lambda: lesson.value("up{job='labkit'}") == 1)
    lesson.sees(row, DOES_NOT, "the total behind the gap is right", lesson.is_right())


def prometheus_dies(lesson: Lesson) -> None:
    row, dead_from = "Prometheus dies", monotonic()
    lesson.do(row, HOW)
    with pytest.raises(QueryError):
        lesson.total()
    before = lesson.in_redis()
    lesson.goes_on()
    lesson.sees(row, DOES_NOT, "Touch Redis or the store", lambda: lesson.in_redis() > before)
    dead_for = monotonic() - dead_from
    lesson.back(row, "about 1 s", lambda: _answers(lesson))
    lesson.sees(row, LOOKS, "later, a gap in everything", lambda: lesson.gap("up{job='labkit'}") >= dead_for)
    lesson.sees(row, DOES_NOT, "Touch Redis or the store", lesson.is_right())


def _answers(lesson: Lesson) -> bool:
    with suppress(QueryError):
        return lesson.total() > 0
    return False


def redis_dies(lesson: Lesson) -> None:
    row, acknowledged = "Redis dies", lesson.in_redis()
    lesson.do(row, HOW)
    lesson.sees(row, LOOKS, "As if it hung", lambda: lesson.value("redis_up") == 0 and lesson.total() == 0)
    lesson.goes_on()
    lesson.back(row, "right within 4 s", lesson.is_right())
    assert lesson.in_redis() >= acknowledged


def nothing_is_lost(lesson: Lesson) -> None:
    """With the traffic off, the ledger of the store and Prometheus agree in every row."""
    LocustClient(lesson.stack.urls["locust"]).set_rate(0)
    frame = ledger.settle(lesson.stack, timeout=60)
    assert frame["equal"].all(), frame
    LocustClient(lesson.stack.urls["locust"]).set_rate(20)
    lesson.goes_on()


def the_store_dies(lesson: Lesson) -> None:
    row, acknowledged = "the store dies", lesson.in_redis()
    lesson.do(row, HOW)
    lesson.sees(row, LOOKS, "Lines fall to zero", lambda: lesson.value("sum(rate(user_events[5s]))") == 0)
    still = "sum(changes(users_total[3s])) + sum(changes(users_waiting[3s]))"
    lesson.sees(row, LOOKS, "the gauges keep their last value", lambda: lesson.value(still) == 0)
    kept, counted = lesson.value("users_total") or 0, lesson.total()
    assert kept > 0
    assert lesson.in_redis() >= acknowledged
    lesson.back(row, "counters go on within 8 s", lambda: lesson.total() > counted)
    lesson.sees(row, BACK, "gauges start anew", lambda: 0 < (lesson.value("users_total") or 0) < kept)


def a_poisoned_key(lesson: Lesson) -> None:
    row, joined, served = "a poisoned key", *(f"user_events{{event='{name}'}}" for name in ("joined", "served"))
    before, counted = lesson.value(joined) or 0, lesson.value(served) or 0
    lesson.do(row, HOW)
    dropped = "sum(labkit_writer_series_dropped_total)"
    lesson.sees(row, LOOKS, "notes each change it could not write", lambda: lesson.value(dropped))
    fires = "ALERTS{alertname='LabkitSeriesDropped',alertstate='firing'}"
    lesson.sees(row, LOOKS, "fires", lambda: lesson.value(fires))
    lesson.sees(row, LOOKS, "`joined` disappears within a minute", lambda: lesson.value(joined) is None)
    lesson.sees(row, LOOKS, "is 1", lambda: lesson.value("sum(labkit_sidecar_series_skipped)") == 1)
    lesson.sees(row, DOES_NOT, "Touch the other series", lambda: (lesson.value(served) or 0) > counted)
    assert "`DEL` the key" in ROWS[row][BACK]
    lesson.client.delete(JOINED)
    lesson.sees(row, BACK, "it begins again at zero", lambda: 0 < (lesson.value(joined) or 0) < before)
