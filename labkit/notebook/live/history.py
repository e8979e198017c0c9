"""What is known of one query: the points of the window, of which only those not seen yet are asked for.

All times are milliseconds since 1970 on a grid of whole steps, so that points that were asked for one by one are the
same as those asked for at once.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nlargest
from math import isfinite
from typing import Any

import pandas as pd

from labkit.errors import QueryError
from labkit.prometheus.client import MALFORMED
from labkit.prometheus.frames import tidy

# A scrape that is under way may still bring a sample for a moment ago; this long after it, ms, it is settled.
SETTLED = 300
# A longer distance than this many steps is a gap.
_JITTER = 1.5

Value = float | None
Point = tuple[int, Value]
Labels = Mapping[str, str]
Key = tuple[tuple[str, str], ...]


@dataclass
class Line:
    """One series: its points, with a None at the start of each gap, where the line shall break."""

    labels: Labels
    times: list[int] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)

    def add(self, points: Sequence[Point], step: int) -> int:
        """Add points, and None at the start of a gap before one; return how many that made."""
        before = len(self.times)
        for time, value in points:
            if self.times and time - self.times[-1] > _JITTER * step:
                self._append(self.times[-1], None)
            self._append(time, value)
        return len(self.times) - before

    def forget(self, before: int) -> int:
        """Drop the points before a time; return how many those were."""
        place = bisect_left(self.times, before)
        del self.times[:place], self.values[:place]
        return place

    @property
    def last(self) -> float:
        """The last value; of a line without any, the lowest that there is."""
        return next((value for value in reversed(self.values) if value is not None), float("-inf"))

    def samples(self) -> list[tuple[float, Value]]:
        """Return the points without the marks of gaps."""
        pairs = zip(self.times, self.values, strict=True)
        marks = (False, *(a == b for a, b in zip(self.times, self.times[1:], strict=False)))
        return [pair for pair, mark in zip(pairs, marks, strict=False) if not mark]

    def _append(self, time: int, value: Value) -> None:
        self.times.append(time)
        self.values.append(value)


@dataclass(frozen=True)
class Growth:
    """What an answer changed: for each line, how many points came and how many went.

    `same` is false if a line to show began or ended, so that a figure needs other lines than before.
    """

    same: bool
    added: Mapping[Key, int]
    dropped: Mapping[Key, int]

    def __bool__(self) -> bool:
        return not self.same or any(self.added.values()) or any(self.dropped.values())


class History:
    """The last `last` ms of one query, a point each `step` ms. With `most`, no more lines than that are to be shown."""

    def __init__(self, promql: str, step: int, last: int, most: int | None = None) -> None:
        self.promql, self.step, self.span = promql, step, last // step * step
        self.lines: dict[Key, Line] = {}
        self.end: int | None = None
        self._most, self._shown = most, list[Key]()

    def due(self, now: float) -> tuple[int, int] | None:
        """Return the first and the last moment to ask for, None if nothing is new yet; `now` is in seconds."""
        end = (round(now * 1e3) - SETTLED) // self.step * self.step
        start = end - self.span
        if self.end is not None:
            start = max(start, self.end + self.step)
        return (start, end) if start <= end else None

    def take(self, answer: Mapping[str, Any], end: int) -> Growth:
        """Add the answer to what was due up to `end`, and forget what is older than the window.

        Raises:
            QueryError: it is not an answer to a range query; nothing of it is added.
        """
        before, came = self.shown, dict[Key, int]()
        for labels, points in _series(answer):
            key = tuple(sorted(labels.items()))
            came[key] = self.lines.setdefault(key, Line(labels)).add(points, self.step)
        self.end = end
        went = {key: line.forget(end - self.span) for key, line in self.lines.items()}
        self.lines = {key: line for key, line in self.lines.items() if line.times}
        return Growth(self.shown == before, came, went)

    @property
    def shown(self) -> list[Key]:
        """The lines to show: all, or the highest of too many. One that is shown stays as long as it is nearly so high.

        Otherwise two lines that take turns would take turns in the figure.
        """
        if self._most is None or len(self.lines) <= self._most:
            return list(self.lines)
        near = nlargest(2 * self._most, self.lines, key=lambda key: self.lines[key].last)
        if not self._shown or not set(self._shown) <= set(near):
            self._shown = near[: self._most]
        return self._shown

    def frame(self) -> pd.DataFrame:
        """Return what is to be shown as `Prometheus.query_range` would; `attrs["more"]` says how many lines are not."""
        lines = [self.lines[key] for key in self.shown]
        series = [{"metric": line.labels, "values": _told(line)} for line in lines]
        frame = tidy({"data": {"resultType": "matrix", "result": series}})
        frame.attrs.update(promql=self.promql, step=self.step / 1e3, more=len(self.lines) - len(lines))
        return frame


def _series(answer: Mapping[str, Any]) -> list[tuple[Labels, list[Point]]]:
    try:
        return [
            (dict(series["metric"]), [(round(at * 1e3), _finite(float(value))) for at, value in series["values"]])
            for series in answer["data"]["result"]
        ]
    except MALFORMED as error:
        raise QueryError(f"This is not what Prometheus answers to a query: {error!r}") from None


def _told(line: Line) -> list[tuple[float, float]]:
    return [(time / 1e3, float("nan") if value is None else value) for time, value in line.samples()]


def _finite(value: float) -> Value:
    # A page cannot draw NaN and the infinities, and JSON does not have them.
    return value if isfinite(value) else None
