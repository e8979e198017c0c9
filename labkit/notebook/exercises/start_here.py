"""Notebook 00: how many customers came, how many left, and what a gap costs."""

from itertools import chain
from typing import Any

from labkit.notebook.exercises.checks import Checks, exercise
from labkit.notebook.exercises.reading import number
from labkit.notebook.exercises.verdict import Verdict, plain, right, wrong
from labkit.store.client import status

# What the number of each event is, in a sentence that begins with it.
_SAYS = {
    "joined": "is how many *joined*",
    "looked_around": "is how many *looked around*",
    "served": "is how many were *served*",
    "left": "is how many *left*",
}
_TABLE = "`prometheus.query('user_events')` is a table, with a row for each event and the column `value`."
_JOINED, _UP = 'user_events{event="joined"}', 'up{job="labkit"}'
_MOMENT = "15s"


class StartHere(Checks):
    """The exercises of notebook 00."""

    notebook = "00-start-here"

    @exercise(_TABLE, """The braces choose a row: `prometheus.query('user_events{event="joined"}')["value"].item()`.""")
    def joined(self, answer: object) -> Verdict:
        """How many customers joined in all?"""
        return self._counted("joined", number(answer))

    @exercise(
        f"{_TABLE} Customers who leave without being served are an event of their own.",
        "As for `joined`, with another value of the label `event`: one of `joined`, `looked_around`, `served`, `left`.",
    )
    def left(self, answer: object) -> Verdict:
        """How many customers left without being served?"""
        return self._counted("left", number(answer))

    @exercise(
        f"Kill, then wait: `prometheus.wait_until('{_UP}', lambda table: (table[\"value\"] == 0).all())`.",
        "Start it again, and wait for 1 in the same way. `ledger.settle(stack)` then compares: a row for each number, "
        "with the columns `ledger` and `prometheus`. What is missing is their difference.",
    )
    def lost(self, answer: object) -> Verdict:
        """How many customers did the dead sidecar cost?"""
        lost = number(answer)
        if self._last(_UP) != 1:
            return wrong("The sidecar does not answer now, `up` is 0. Start it, and wait until it is 1.")
        if self._last(f"changes({_UP}[1h])") < 2:
            return wrong("Prometheus has seen no gap yet. Kill the sidecar, wait until `up` is 0, and start it again.")
        return self._missing(lost)

    def _missing(self, lost: float) -> Verdict:
        joined = self._events()["joined"]
        # What had joined by then arrives in Prometheus, even while traffic goes on; if not, this raises.
        held = self._prometheus().wait_until(
            _JOINED, lambda table: bool((table["value"] >= joined).all()) and len(table)
        )
        # A store that was killed begins its ledger anew, below what Redis kept.
        if lost in (0, joined - held["value"].max()):
            return right("None. The picture has a gap, and the count has none: it is in Redis, and went on growing.")
        if lost == joined:
            return wrong(f"{plain(lost)} is how many joined in all. How many of them does Prometheus not know?")
        return wrong(
            f"{plain(lost)} were on their way, perhaps. `ledger.settle(stack)` waits: now all {joined} are there."
        )

    def _counted(self, event: str, answer: float) -> Verdict:
        events = self._events()
        if answer == events[event]:
            return right(f"{plain(answer)} {_SAYS[event]}, and the ledger of the store says the same.")
        if answer not in events.values() and answer in self._held(event, _MOMENT):
            return right(
                f"{plain(answer)} {_SAYS[event]} a moment ago; the store's ledger says {events[event]} by now."
            )
        return wrong(self._instead(event, answer, events))

    def _instead(self, event: str, answer: float, events: dict[str, Any]) -> str:
        shown, asked = plain(answer), event.replace("_", " ")
        others = [other for other in events if other != event]
        # What one is now comes before what another was a moment ago.
        is_now = (other for other in others if answer == events[other])
        was = (other for other in others if answer in self._held(other, _MOMENT))
        if other := next(chain(is_now, was), None):
            return f"{shown} {_SAYS[other]}; which event is *{asked}*?"
        if answer == sum(events.values()):
            return f"{shown} is all four events together; which of them is *{asked}*?"
        if answer == events["joined"] - events["served"]:
            return f"{shown} is who joined and was not served. Some of them are still in the store."
        if answer % 1:
            return f"{shown} is no whole number of people: a `rate` says how *fast*; the counter itself says how many."
        if answer in self._held(event, "1h"):
            return f"{shown} was right some time ago. More have come since: ask Prometheus again."
        return f"{shown} is not the number of any event. What does `prometheus.query('user_events')` say?"

    def _held(self, event: str, last: str) -> set[float]:
        """The values that Prometheus held: who asks while customers come is always a little late."""
        return set(self._prometheus().query_range(f'user_events{{event="{event}"}}', last, "1s")["value"])

    def _events(self) -> dict[str, Any]:
        events: dict[str, Any] = status(self._urls()["store"])["ledger"]["events"]
        return events

    def _last(self, promql: str) -> float:
        return float(self._prometheus().query(promql)["value"].max())
