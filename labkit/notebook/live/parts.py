"""The figures of the page, each with what changed on it since it was last sent."""

import json
from collections.abc import Callable, Mapping, Sequence
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
        for place, growth in _updated(self._histories, client, now):
            # Twice without telling: then everything is told.
            self._grows = self._grows and growth.same and place not in self._growths
            self._growths[place] = growth

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
        return _written(drawn)

    def _lines(self) -> list[Line]:
        return [history.lines[key] for history in self._histories for key in history.shown]

    def _extensions(self) -> list[list[Any]]:
        counts = [
            (growth.added.get(key, 0), growth.dropped.get(key, 0)) if growth else (0, 0)
            for growth, history in ((self._growths.get(place), each) for place, each in enumerate(self._histories))
            for key in history.shown
        ]
        return [
            [trace, *_tail(line, added), len(line.times)]
            for trace, (line, (added, dropped)) in enumerate(zip(self._lines(), counts, strict=True))
            if added or dropped
        ]

    def _range(self) -> list[int]:
        end = max(history.end or 0 for history in self._histories)
        return [end - max(history.span for history in self._histories), end]


class Picture:
    """Queries as a figure of another kind, such as a heatmap: drawn anew when there is something new to see.

    Drawing costs the kernel more than growing does; so it rests after each, to take no more than `SHARE` of a core.
    """

    def __init__(self, histories: Sequence[History], draw: Draw) -> None:
        self._histories, self._draw = histories, draw
        self._new, self._rested = False, 0.0

    def ask(self, client: LiveClient | None, now: float) -> None:
        if any(growth for _, growth in _updated(self._histories, client, now)):
            self._new = True

    def change(self) -> Change | None:
        return {"figure": self.whole()} if self._new and monotonic() >= self._rested else None

    def whole(self) -> str:
        started, self._new = thread_time(), False
        written = _written(self._draw().to_dict())
        self._rested = monotonic() + (thread_time() - started) / SHARE
        return written


class Drawing:
    """A figure that is drawn again at every update, and sent if it is another one than before."""

    def __init__(self, draw: Draw) -> None:
        self._draw, self._drawn, self._sent = draw, "", ""
        self.figure: go.Figure | None = None

    def ask(self, client: LiveClient | None, now: float) -> None:  # noqa: ARG002  the function asks whom it likes
        self.figure = self._draw()
        self._drawn = _written(self.figure.to_dict())

    def change(self) -> Change | None:
        return None if self._drawn == self._sent else {"figure": self.whole()}

    def whole(self) -> str:
        self._sent = self._drawn
        return self._drawn


def _updated(histories: Sequence[History], client: LiveClient | None, now: float) -> list[tuple[int, Growth]]:
    """Ask for what is due; return the places of the histories that were updated, and what changed."""
    growths = [(place, client.update(history, now)) for place, history in enumerate(histories) if client]
    return [(place, growth) for place, growth in growths if growth is not None]


def _tail(line: Line, count: int) -> tuple[list[int], list[Any]]:
    # After a long pause, more may have come than the window holds.
    start = max(0, len(line.times) - count)
    return line.times[start:], line.values[start:]


def _written(figure: dict[str, Any]) -> str:
    figure["layout"]["uirevision"] = "live"  # what people zoomed into or hid stays so
    return json.dumps(figure, cls=PlotlyJSONEncoder, separators=(",", ":"))
