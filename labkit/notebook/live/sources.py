"""What a live figure shows: a query, the dashboard, or whatever a function draws."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import shorten
from types import ModuleType
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from labkit.errors import QueryError
from labkit.notebook.live.client import LiveClient
from labkit.notebook.live.history import History
from labkit.notebook.live.parts import Drawing, Lines, Part, Picture
from labkit.notebook.live.query_cache import QueryCache
from labkit.plotting import charts, dashboard
from labkit.plotting.panels import Panel
from labkit.plotting.series import MOST
from labkit.prometheus.query import Prometheus

Find = Callable[[], Prometheus]
Place = dict[str, Any]

_MOST_POINTS = 600
_TITLE = 90
_HEIGHT, _ROW = 270, 28  # px


@dataclass(frozen=True)
class Source:
    """What to show, as parts, each with its place: `heading`, and `column`, `width` (of 24) and `height` (px).

    `still` returns the figure as it is known, to be kept where nothing is live. Without a `client`, nothing is asked.
    """

    title: str
    parts: Sequence[Part]
    places: Sequence[Place]
    still: Callable[[], go.Figure]
    client: LiveClient | None = None


class Caption(NamedTuple):
    """The title of a query's figure, by default the query, and the unit of its values."""

    title: str = ""
    unit: str = ""


NO_CAPTION = Caption()


def source(what: object, find: Find, every: float, last: float, caption: Caption = NO_CAPTION) -> Source:
    """Return the source of what `labkit.live` was given.

    Raises:
        QueryError: it is nothing of the kind.
    """
    if isinstance(what, str):
        return _query(what, find, every, last, caption)
    if callable(what):
        return _function(what)
    given = what.__name__ if isinstance(what, ModuleType) else repr(what)
    raise QueryError(f"{given} cannot be live; give PromQL, labkit.dashboard, or a function that returns a figure.")


def _query(promql: str, find: Find, every: float, last: float, caption: Caption) -> Source:
    """PromQL: one line per series, a point each `every` seconds, or fewer if a window is long."""
    step = max(round(every * 1e3), round(last * 1e3 / _MOST_POINTS), 1)
    history = History(promql, step, round(last * 1e3), MOST)
    title, unit = caption.title or shorten(promql, _TITLE, placeholder=" …"), caption.unit

    def still() -> go.Figure:
        figure, end = charts.line(history.frame(), title=title, unit=unit), history.end
        return figure.update_xaxes(range=_moments(end - history.span, end)) if end else figure

    place = {"title": f"{title} ({unit})" if unit else title, "legend": True, "height": _HEIGHT}
    return Source(title, [Lines([history], lambda: _lean(still()))], [place], still, LiveClient(find))


def _function(function: Callable[[], object]) -> Source:
    """A function that returns a figure: called at every update, in the figure's own thread."""
    title = getattr(function, "__name__", "figure").replace("_", " ")

    def draw() -> go.Figure:
        figure = function()
        if not isinstance(figure, go.Figure):
            raise QueryError(f"{title} returned {type(figure).__name__}, not a plotly figure.")
        return figure

    part = Drawing(draw)
    return Source(title, [part], [{}], lambda: part.figure or draw())


def dashboard_source(find: Find, last: float) -> Source:
    """All panels of the dashboard, arranged as in Grafana."""
    cache, panels = QueryCache(find(), last), dashboard.panels()

    def part(panel: Panel) -> Part:
        kind = Lines if panel.kind == "timeseries" else Picture
        return kind(cache.of(panel), lambda: _small(panel, dashboard.figure(panel, cache, last)))

    parts = [part(panel) for panel in panels]
    return Source("Dashboard", parts, _places(panels), lambda: dashboard.overview(cache, last), LiveClient(find))


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
