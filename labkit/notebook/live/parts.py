"""The figures of the page, each with what changed on it since it was last sent."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import monotonic, thread_time
from typing import Any, Protocol

import plotly.graph_objects as go
from plotly.utils import PlotlyJSONEncoder

from labkit.notebook.live.client import LiveClient
from labkit.notebook.live.history import Growth, History, Line

# Of a core, for one picture.
SHARE = 0.004

# A message for the browser. Either {"figure": the whole as JSON}, or {"extend": [[trace, x, y, length], …],
# "range": [from, to]}: the points to add to each trace, how long it may be then, and what the time axis shows.
Change = Mapping[str, Any]
Draw = Callable[[], go.Figure]


class Part(Protocol):
    """One figure of the page."""

    def ask(self, client: LiveClient | None, now: float) -> None:
        """Learn what is new at `now`, in seconds since 1970."""

    def change(self) -> Change | None:
        """Return what is new since the last call of this or of `whole`, None if nothing is."""

    def whole(self) -> str:
        """Return all of it as JSON."""


class Lines:
    """Queries as lines over time. `draw` draws them, one trace per line, in the order of the histories."""

    def __init__(self, histories: Sequence[History], draw: Draw) -> None:
        self._histories, self._draw = histories, draw
        self._growths: dict[int, Growth] = {}
        self._grows = False

    def ask(self, client: LiveClient | None, now: float) -> None:
        for index, growth in _updated(self._histories, client, now):
            # A second answer before the first was sent: then the whole figure is sent.
            self._grows = self._grows and growth.same and index not in self._growths
            self._growths[index] = growth

    def change(self) -> Change | None:
        if not self._growths:
            return None
        if not self._grows:
            return {"figure": self.whole()}
        extensions = self._extensions()
        self._growths = {}
        return {"extend": extensions, "range": self._range()}

    def whole(self) -> str:
        lines, drawn = self._lines(), self._draw().to_dict()
        self._growths = {}
        # Two lines of the same name are one trace, which cannot grow line by line.
        self._grows = len(drawn["data"]) == len(lines)
        if self._grows:
            for trace, line in zip(drawn["data"], lines, strict=True):
                trace.update(x=line.times, y=line.values)
        drawn["layout"].setdefault("xaxis", {}).update(type="date", range=self._range())
        return _json(drawn)

    def _lines(self) -> list[Line]:
        return [history.lines[key] for history in self._histories for key in history.shown]

    def _extensions(self) -> list[list[Any]]:
        keys = [(index, key) for index, history in enumerate(self._histories) for key in history.shown]
        added = {(index, key): n for index, growth in self._growths.items() for key, n in growth.added.items()}
        return [
            [trace, *_tail(self._histories[index].lines[key], added[index, key])]
            for trace, (index, key) in enumerate(keys)
            if (index, key) in added
        ]

    def _range(self) -> list[int]:
        end = max(history.end or 0 for history in self._histories)
        return [end - max(history.span for history in self._histories), end]


class Redrawn:
    """Queries as a figure of another kind, such as a heatmap: drawn again when there is something new.

    That costs the kernel more than adding points; a pause after each keeps it below `SHARE` of a core.
    """

    def __init__(self, histories: Sequence[History], draw: Draw) -> None:
        self._histories, self._draw = histories, draw
        self._new, self._rested = False, 0.0

    def ask(self, client: LiveClient | None, now: float) -> None:
        for _, growth in _updated(self._histories, client, now):
            self._new = self._new or bool(growth)

    def change(self) -> Change | None:
        return {"figure": self.whole()} if self._new and monotonic() >= self._rested else None

    def whole(self) -> str:
        started, self._new = thread_time(), False
        written = _json(self._draw().to_dict())
        self._rested = monotonic() + (thread_time() - started) / SHARE
        return written


class FunctionFigure:
    """A figure that a function draws at every update; it is sent if it changed."""

    def __init__(self, draw: Draw) -> None:
        self._draw, self._drawn, self._sent = draw, "", ""
        self.figure: go.Figure | None = None

    def ask(self, client: LiveClient | None, now: float) -> None:  # noqa: ARG002  the function asks by itself
        self.figure = self._draw()
        self._drawn = _json(self.figure.to_dict())

    def change(self) -> Change | None:
        return None if self._drawn == self._sent else {"figure": self.whole()}

    def whole(self) -> str:
        self._sent = self._drawn
        return self._drawn


def _updated(histories: Sequence[History], client: LiveClient | None, now: float) -> Iterator[tuple[int, Growth]]:
    """Ask for what is due, history by history; yield the index of each that was updated, and what changed."""
    for index, history in enumerate(histories):
        if client and (growth := client.update(history, now)) is not None:
            yield index, growth


def _tail(line: Line, count: int) -> tuple[list[int], list[Any], int]:
    """The last points, and how many the line has."""
    # After a long pause, more may have come than the window holds.
    length = len(line.times)
    start = max(0, length - count)
    return line.times[start:], line.values[start:], length


def _json(figure: dict[str, Any]) -> str:
    figure["layout"]["uirevision"] = "live"  # what people zoomed into or hid stays so
    return json.dumps(figure, cls=PlotlyJSONEncoder, separators=(",", ":"))
