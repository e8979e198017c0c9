"""Notebook 01: a gauge that two writers share, and how many batches a thousand series need."""

import json
from math import ceil

from labkit import RedisMetricsService
from labkit.notebook.exercises.checks import Checks, exercise
from labkit.notebook.exercises.reading import number
from labkit.notebook.exercises.verdict import Verdict, plain, right, wrong
from labkit.writer import SERIES_PER_BATCH

_OPEN, _SERIES = (3, 4), 1_000


class RecordAndBatch(Checks):
    """The exercises of notebook 01."""

    notebook = "01-record-and-batch"

    @exercise(
        "A writer is a `RedisMetricsService(stack.urls['redis'])`. You need two, open at the same time; each "
        "declares the same gauge with `shared='sum'`, sets it, and flushes.",
        "The key holds JSON, as in section 1: `json.loads(server.get(f'metrics:gauge:{name}'))['value']`. Read it "
        "while both writers are open.",
    )
    def total(self, answer: object) -> Verdict:
        """What does Redis hold when two writers share a gauge?"""
        found, total = number(answer), self._shared()
        if found == total:
            return right(f"{plain(found)}: Redis keeps what each writer holds, and the series is their sum.")
        if found == 0:
            return wrong("0 is what is left when both are closed: a writer takes its part along. Read before that.")
        if found in _OPEN:
            return wrong(f"{plain(found)} is what *one* writer holds. Do both say `shared='sum'`, and flush first?")
        if found % total == 0:
            return wrong(
                f"{plain(found)} is {plain(found / total)} times as much: writers of an earlier run are still open. "
                "`with` closes them, and a fresh name has none."
            )
        return wrong(f"{plain(found)} is not what the two hold together; one holds {_OPEN[0]}, the other {_OPEN[1]}.")

    @exercise(
        f"A batch takes up to {SERIES_PER_BATCH} series, and each of the {_SERIES:,} children is a series of its own.",
        "`before = sum(metrics.stats().batches.values())`, then set the children and `metrics.flush()`, and read it "
        "again. The answer is the difference.",
    )
    def batches(self, answer: object) -> Verdict:
        """How many batches do 1,000 new series need?"""
        found, sent, least = number(answer), self._sent(), ceil(_SERIES / SERIES_PER_BATCH)
        # The writer's own series may fill one more.
        if found in range(least, max(sent, least + 1) + 1):
            return right(f"{plain(found)}. Here, it was {sent} just now: the writer's own series may need one more.")
        if found % 1:
            return wrong(
                f"{plain(found)} is the quotient. A batch is sent whole or not at all: the rest needs one, too."
            )
        if found == _SERIES:
            return wrong(f"{plain(found)} would be a batch for each series; {SERIES_PER_BATCH} of them share one.")
        if found < least:
            return wrong(_too_few(found))
        return wrong(f"{plain(found)} is too many. Does it contain what had been sent *before*?")

    def _shared(self) -> float:
        """The same, done now: with a name that disturbs nobody."""
        name, url = self.fresh("lab_check"), self._urls()["redis"]
        with RedisMetricsService(url) as one, RedisMetricsService(url) as other, self._redis() as server:
            for writer, connections in zip((one, other), _OPEN, strict=True):
                writer.gauge(name, "Open connections.", shared="sum").set(connections)
                writer.flush()
            held = server.get(f"metrics:gauge:{name}")
        return float(json.loads(str(held, "utf-8") if isinstance(held, bytes) else str(held))["value"])

    def _sent(self) -> int:
        with RedisMetricsService(self._urls()["redis"], flush_interval=600) as writer:
            writer.flush()
            before = sum(writer.stats().batches.values())
            rooms = writer.gauge(self.fresh("lab_check"), "People in a room.", ["room"])
            for room in range(_SERIES):
                rooms.labels(room=str(room)).set(1)
            writer.flush()
            sent = sum(writer.stats().batches.values()) - before
            rooms.clear()
        return sent


def _too_few(batches: float) -> str:
    if batches < 0:
        return f"{plain(batches)}: more had been sent afterwards than before; take *before* from *after*."
    if batches == 0:
        return "0: nothing was sent between the two readings. Set the children, flush, and then read again."
    return f"{plain(batches)} batches hold {plain(batches * SERIES_PER_BATCH)} series at most."
