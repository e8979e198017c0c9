"""What is known of one query: the points of the window, of which only those not seen yet are asked for.

All times are milliseconds since 1970 on a grid of whole steps, so that points that were asked for one by one are the
same as those asked for at once.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import pandas as pd

from labkit.answers import tidy

# A scrape that is under way may still bring a sample for a moment ago; this long after it, ms, it is settled.
SETTLED = 300
# A longer distance than this many steps is a gap.
_JITTER = 1.5

Value = float | None
Labels = Mapping[str, str]
Key = tuple[tuple[str, str], ...]


@dataclass
class Line:
    """One series: its points, with a None at the start of each gap, where the line shall break."""

    labels: Labels
    times: list[int] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)

    def add(self, samples: Sequence[Any], step: int) -> int:
        """Add samples as Prometheus sends them; return how many points that made."""
        before = len(self.times)
        for at, value in samples:
            time = round(at * 1e3)
            if self.times and time - self.times[-1] > _JITTER * step:
                self._point(self.times[-1], None)
            self._point(time, _drawn(float(value)))
        return len(self.times) - before

    def forget(self, before: int) -> int:
        """Drop the points before a time; return how many those were."""
        place = bisect_left(self.times, before)
        del self.times[:place], self.values[:place]
        return place

    def samples(self) -> list[tuple[float, Value]]:
        """Return the points without the marks of gaps."""
        pairs = zip(self.times, self.values, strict=True)
        marks = (False, *(a == b for a, b in zip(self.times, self.times[1:], strict=False)))
        return [pair for pair, mark in zip(pairs, marks, strict=False) if not mark]

    def _point(self, time: int, value: Value) -> None:
        self.times.append(time)
        self.values.append(value)


@dataclass(frozen=True)
class Growth:
    """What an answer changed: for each line, in order, how many points came and whether any went.

    `same` is false if a line began or ended, so that a figure needs other lines than before.
    """

    same: bool
    added: list[int]
    dropped: list[int]

    def __bool__(self) -> bool:
        return not self.same or any(self.added) or any(self.dropped)


class History:
    """The last `last` ms of one query, a point each `step` ms."""

    def __init__(self, promql: str, step: int, last: int) -> None:
        self.promql, self.step, self.span = promql, step, last // step * step
        self.lines: dict[Key, Line] = {}
        self.end: int | None = None

    def due(self, now: float) -> tuple[int, int] | None:
        """Return the first and the last moment to ask for, None if nothing is new yet; `now` is in seconds."""
        end = (round(now * 1e3) - SETTLED) // self.step * self.step
        start = end - self.span
        if self.end is not None:
            start = max(start, self.end + self.step)
        return (start, end) if start <= end else None

    def take(self, answer: Mapping[str, Any], end: int) -> Growth:
        """Add the answer to what was due up to `end`, and forget what is older than the window."""
        before = list(self.lines)
        came: dict[Key, int] = {}
        for series in answer["data"]["result"]:
            key = tuple(sorted(series["metric"].items()))
            line = self.lines.setdefault(key, Line(series["metric"]))
            came[key] = line.add(series["values"], self.step)
        self.end = end
        went = {key: line.forget(end - self.span) for key, line in self.lines.items()}
        self.lines = {key: line for key, line in self.lines.items() if line.times}
        keys = list(self.lines)
        return Growth(keys == before, [came.get(key, 0) for key in keys], [went[key] for key in keys])

    def frame(self) -> pd.DataFrame:
        """Return what is known as `Prometheus.query_range` would."""
        series = [{"metric": line.labels, "values": _told(line)} for line in self.lines.values()]
        frame = tidy({"data": {"resultType": "matrix", "result": series}})
        frame.attrs.update(promql=self.promql, step=self.step / 1e3)
        return frame


def _told(line: Line) -> list[tuple[float, float]]:
    return [(time / 1e3, float("nan") if value is None else value) for time, value in line.samples()]


def _drawn(value: float) -> Value:
    """NaN and the infinities have no place on a page, nor in JSON."""
    return value if isfinite(value) else None
