"""Plot: the series of frames, each by the name it has in a legend, and those that one figure can show.

>>> top(prometheus.query_range("rate(user_events[20s])"), most=20)
"""

from collections.abc import Iterator, Mapping
from heapq import nlargest
from html import escape
from typing import NamedTuple

import numpy as np
import pandas as pd

from labkit.prometheus.frames import labels

Named = Mapping[str, pd.DataFrame]
Frames = pd.DataFrame | Named
Series = tuple[str, pd.DataFrame]

# More lines than this cannot be told apart.
MAX_SERIES = 20


class Top(NamedTuple):
    """The series to show, the highest first if some are left out, and how many those are."""

    shown: list[Series]
    more: int

    def __str__(self) -> str:
        return f"and {self.more:,} more" if self.more else ""


def named(frames: Frames) -> list[Series]:
    """Return the series of one or several frames, each with the name it has in a legend.

    The name consists of the values of those labels that differ between the series of its frame. The name of a frame
    comes before it; a lone series in a frame without a name has none.
    """
    return [one for name, frame in _frames(frames) for one in _Split(name, frame).series()]


def top(frames: Frames, most: int = MAX_SERIES) -> Top:
    """Return the series with the highest last values, at most `most`; if there are no more, all in their own order."""
    splits = [_Split(name, frame) for name, frame in _frames(frames)]
    lasts = [(value, place, number) for place, split in enumerate(splits) for value, number in split.lasts()]
    # Whoever made the frame may have left out some already.
    more = sum(frame.attrs.get("more", 0) for _, frame in _frames(frames))
    if len(lasts) <= most:
        return Top([one for split in splits for one in split.series()], more)
    # Those left out are never made, which would take most of the time.
    shown = [next(splits[place].series(number)) for _, place, number in nlargest(most, lasts)]
    return Top(shown, len(lasts) - most + more)


def _frames(frames: Frames) -> list[Series]:
    return [("", frames)] if isinstance(frames, pd.DataFrame) else list(frames.items())


class _Split:
    """The series of one frame: a number for each, in order of appearance."""

    def __init__(self, name: str, frame: pd.DataFrame) -> None:
        self._name, self._frame = name, frame
        self._telling = [column for column in ("metric", *labels(frame)) if frame[column].nunique() > 1]
        groups = frame.groupby(self._telling, sort=False).ngroup() if self._telling else pd.Series(0, frame.index)
        self._numbers = groups.to_numpy()

    def lasts(self) -> Iterator[tuple[float, int]]:
        """Yield the last value of each with its number; one that never had any is the lowest."""
        lasts = self._frame["value"].groupby(self._numbers, sort=False).last().fillna(float("-inf"))
        return zip(lasts.to_list(), lasts.index.to_list(), strict=True)

    def series(self, *chosen: int) -> Iterator[Series]:
        """Yield those with these numbers; without any, all."""
        rows = np.isin(self._numbers, chosen) if chosen else slice(None)
        for _, series in self._frame[rows].groupby(self._numbers[rows], sort=False):
            yield " · ".join(filter(None, (self._name, self._inner(series)))), series

    def _inner(self, series: pd.DataFrame) -> str:
        values = [series[column].iloc[0] for column in self._telling]
        spelled = " · ".join(escape(str(value)) for value in values if value)
        return spelled or ("(no labels)" if self._telling else "")
