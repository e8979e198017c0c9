"""What a live figure shows: a query, the dashboard, or whatever a function draws."""

from collections.abc import Callable
from textwrap import shorten
from types import ModuleType
from typing import Any, NamedTuple, Protocol

import pandas as pd
import plotly.graph_objects as go

from labkit.errors import QueryError
from labkit.notebook.live.asking import Asker
from labkit.notebook.live.history import History
from labkit.notebook.live.parts import Drawing, Lines, Part, Picture
from labkit.notebook.live.query_cache import QueryCache
from labkit.plotting import charts, dashboard
from labkit.plotting.panels import Panel
from labkit.plotting.series import MOST
from labkit.prometheus.query import Prometheus

Find = Callable[[], Prometheus]
Function = Callable[[], go.Figure]
Place = dict[str, Any]

_MOST_POINTS = 600
_TITLE = 90
_HEIGHT, _ROW = 270, 28  # px


class Source(Protocol):
    """What to show, as parts, each with its place: `heading`, and `column`, `width` (of 24) and `height` (px)."""

    title: str
    parts: list[Part]
    places: list[Place]

    def asker(self) -> Asker | None:
        """Return who asks Prometheus for it, if anybody has to."""

    def still(self) -> go.Figure:
        """Return the figure as it is known, to be kept where nothing is live."""


class Words(NamedTuple):
    """What a query's figure is to say."""

    title: str = ""
    unit: str = ""


UNSAID = Words()


def source(what: object, find: Find, every: float, last: float, words: Words = UNSAID) -> Source:
    """Return the source of what `labkit.live` was given.

    Raises:
        QueryError: it is nothing of the kind.
    """
    if isinstance(what, str):
        return Query(what, find, every, last, words)
    if what is dashboard or what is dashboard.overview:
        return Dashboard(find, last)
    if callable(what):
        return Drawn(what)
    given = what.__name__ if isinstance(what, ModuleType) else repr(what)
    raise QueryError(f"{given} cannot be live; give PromQL, labkit.dashboard, or a function that returns a figure.")


class Query:
    """PromQL: one line per series, a point each `every` seconds, or fewer if a window is long."""

    def __init__(self, promql: str, find: Find, every: float, last: float, words: Words) -> None:
        step = max(round(every * 1e3), round(last * 1e3 / _MOST_POINTS), 1)
        self._find, self._history = find, History(promql, step, round(last * 1e3), MOST)
        self.title, self._unit = words.title or shorten(promql, _TITLE, placeholder=" …"), words.unit
        self.parts: list[Part] = [Lines([self._history], lambda: _lean(self.still()))]
        heading = f"{self.title} ({words.unit})" if words.unit else self.title
        self.places: list[Place] = [{"title": heading, "legend": True, "height": _HEIGHT}]

    def asker(self) -> Asker | None:
        return Asker(self._find)

    def still(self) -> go.Figure:
        figure = charts.line(self._history.frame(), title=self.title, unit=self._unit)
        end = self._history.end
        return figure.update_xaxes(range=_moments(end - self._history.span, end)) if end else figure


class Drawn:
    """A function that returns a figure: called at every look, in the figure's own thread."""

    def __init__(self, function: Function) -> None:
        self._function = function
        self.title = getattr(function, "__name__", "figure").replace("_", " ")
        self._drawn: go.Figure | None = None
        self.parts: list[Part] = [Drawing(self._draw)]
        self.places: list[Place] = [{}]

    def asker(self) -> Asker | None:
        return None

    def still(self) -> go.Figure:
        return self._drawn or self._draw()

    def _draw(self) -> go.Figure:
        figure = self._function()
        if not isinstance(figure, go.Figure):
            raise QueryError(f"{self.title} returned {type(figure).__name__}, not a plotly figure.")
        self._drawn = figure
        return figure


class Dashboard:
    """All panels of the dashboard, arranged as in Grafana."""

    title = "Dashboard"

    def __init__(self, find: Find, last: float) -> None:
        self._find, self._cache = find, QueryCache(find(), last)
        self._last = last
        self.parts: list[Part] = [self._part(panel) for panel in dashboard.panels()]
        self.places = _places(dashboard.panels())

    def asker(self) -> Asker | None:
        return Asker(self._find)

    def still(self) -> go.Figure:
        return dashboard.overview(self._cache, self._last)

    def _part(self, panel: Panel) -> Part:
        histories = self._cache.of(panel)
        kind = Lines if panel.kind == "timeseries" else Picture
        return kind(histories, lambda: _small(panel, dashboard.figure(panel, self._cache, self._last)))


def _moments(*times: int) -> list[pd.Timestamp]:
    return [pd.Timestamp(time, unit="ms", tz="UTC") for time in times]


def _lean(figure: go.Figure) -> go.Figure:
    """The figure without what the page writes itself: its title and legend.

    It has fixed margins and few ticks, too: to measure texts again at each step takes the browser as long as all the
    rest.
    """
    figure.update_layout(title_text="", height=None, showlegend=False, margin={"l": 46, "r": 12, "t": 8, "b": 30})
    figure.update_xaxes(title_text="", tickangle=0, tickformatstops=charts.TICKS, automargin=False)
    figure.update_xaxes(ticklabelstandoff=5, nticks=8).update_yaxes(ticklabelstandoff=4, nticks=6)
    return figure.update_yaxes(title_text="", automargin=False)


def _small(panel: Panel, figure: go.Figure) -> go.Figure:
    """The figure for its place in the dashboard."""
    _lean(figure)
    if panel.kind == "timeseries":
        return figure.update_xaxes(nticks=panel.place.width // 2)
    if panel.kind == "stat":
        figure.update_annotations(font_size=22)
        return figure.update_layout(margin={"l": 2, "r": 6, "t": 0, "b": 6})
    # These have names for numbers.
    figure.update_yaxes(automargin=True)
    if panel.kind == "bargauge":
        return figure.update_xaxes(showticklabels=False).update_layout(margin_r=70)
    return figure.update_xaxes(nticks=3).update_traces({"showscale": False}, {"type": "heatmap"})


def _places(panels: list[Panel]) -> list[Place]:
    headed: set[str] = set()
    places = []
    for panel in panels:
        heading = "" if panel.row in headed else panel.row
        headed.add(panel.row)
        place = panel.place
        places.append(
            {"heading": heading, "title": panel.title, "about": panel.description,
             "column": place.x + 1, "width": place.width, "height": place.height * _ROW,
             "legend": panel.kind == "timeseries"}
        )  # fmt: skip
    return places
