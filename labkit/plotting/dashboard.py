"""Plot: the Grafana dashboard, drawn with plotly from the same file, for use without Grafana.

>>> dashboard.overview(prometheus, last="5m")                # all panels, as Grafana arranges them
>>> dashboard.figures(prometheus)["Events per second"]       # one of them
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from html import escape

import pandas as pd
import plotly.graph_objects as go

from labkit.plotting import charts
from labkit.plotting.layout import arrange
from labkit.plotting.panels import Panel, Target, Window, choose, panels, substitute
from labkit.plotting.series import Named
from labkit.prometheus.query import Duration, Moment, Prometheus, seconds, timestamp

__all__ = ["Query", "figure", "figures", "overview", "panels", "queries"]

SCRAPE_INTERVAL = 5.0

Choice = str | Iterable[str]


@dataclass(frozen=True)
class Query:
    """One query of the dashboard as it is sent to Prometheus, and the title of its panel."""

    panel: str
    promql: str


def queries(last: Duration = "5m", *, scrape_interval: Duration = SCRAPE_INTERVAL, **variables: Choice) -> list[Query]:
    """Return every query of the dashboard, ready to send, with Grafana's variables replaced.

    Args:
        last: the time range of the dashboard.
        scrape_interval: how often Prometheus scrapes; rates are taken over at least four of these.
        variables: the template variables, `job` and `instance`: a value or several; everything by default.

    Raises:
        QueryError: the dashboard has no such variable.
    """
    values = choose(variables) | Window(seconds(last), seconds(scrape_interval)).variables()
    return [Query(panel.title, substitute(target.promql, values)) for panel in panels() for target in panel.targets]


def figures(
    prometheus: Prometheus, last: Duration = "5m", *, end: Moment | None = None, **variables: Choice
) -> dict[str, go.Figure]:
    """Return one figure per panel, by title, for the time range `last` that ends now or at `end`.

    Args:
        prometheus: what to query; its scrape interval decides over how long rates are taken.
        last: the time range to show.
        end: the end of that range.
        variables: the template variables, `job` and `instance`: a value or several; everything by default.

    Raises:
        QueryError: Prometheus did not answer, or the dashboard has no such variable.
    """
    data = _data(prometheus, last, end, variables)
    return {panel.title: data.figure(panel) for panel in panels()}


def figure(
    panel: Panel, prometheus: Prometheus, last: Duration = "5m", *, end: Moment | None = None, **variables: Choice
) -> go.Figure:
    """Return the figure of one panel. The other arguments and the errors are those of `figures`."""
    return _data(prometheus, last, end, variables).figure(panel)


def overview(
    prometheus: Prometheus, last: Duration = "5m", *, end: Moment | None = None, **variables: Choice
) -> go.Figure:
    """Return all panels as one figure, arranged as in Grafana. The arguments and errors are those of `figures`."""
    return _data(prometheus, last, end, variables).overview()


def _data(prometheus: Prometheus, last: Duration, end: Moment | None, variables: Mapping[str, Choice]) -> "Data":
    window, stop = window_of(prometheus, seconds(last)), timestamp(end)

    def ask(promql: str) -> pd.DataFrame:
        return prometheus.query_range(promql, window.last, window.step, stop)

    return Data(ask, window, choose(variables) | window.variables(), stop)


def window_of(prometheus: Prometheus, last: float) -> Window:
    """Return the last seconds as the dashboard shows them of what this Prometheus scrapes."""
    return Window(last, prometheus.scrape_interval("labkit") or SCRAPE_INTERVAL)


@dataclass(frozen=True)
class Data:
    """Where the data of all panels comes from: `ask` returns the frame for a query over the window, up to `end`."""

    ask: Callable[[str], pd.DataFrame]
    window: Window
    values: Mapping[str, str]
    end: float

    def overview(self) -> go.Figure:
        """Return all panels as one figure."""
        return arrange(panels(), {panel.title: self.figure(panel) for panel in panels()})

    def figure(self, panel: Panel) -> go.Figure:
        """Return the figure of one panel."""
        # The series by the name that each has in Grafana's legend.
        named = {name: frame for target in panel.targets for name, frame in self._series(target)}
        figure = _DRAW[panel.kind](panel, named)
        # The small line below a number is of what there is, as wide as its panel.
        return figure if panel.kind in ("bargauge", "stat") else figure.update_xaxes(range=self._span())

    def _span(self) -> list[pd.Timestamp]:
        return [pd.Timestamp(moment, unit="s", tz="UTC") for moment in (self.end - self.window.last, self.end)]

    def _series(self, target: Target) -> list[tuple[str, pd.DataFrame]]:
        frame = self.ask(substitute(target.promql, self.values))
        frame.attrs.clear()  # a panel without data has no room for its query; its title says enough
        if frame.empty:
            return [(target.legend, frame)]
        names = [_name(target.legend, row) for row in frame.to_dict("records")]
        return [(str(name), series) for name, series in frame.groupby(names, sort=False)]


def _name(legend: str, row: Mapping[object, object]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: escape(str(row.get(match[1], ""))), legend)


def _timeseries(panel: Panel, frames: Named) -> go.Figure:
    figure = charts.line(frames, title=panel.title, unit=panel.unit, steps=panel.steps, colors=panel.colors)
    for bound, color in panel.thresholds[1:] if panel.limit else ():
        figure.add_hline(bound, line={"color": color, "width": 1, "dash": "dash"})
    return figure.update_yaxes(title_text=panel.axis)


def _stat(panel: Panel, frames: Named) -> go.Figure:
    """The last value, large, in the color of its threshold, above a small line of its history."""
    figure = charts.line(frames, title=panel.title, unit=panel.unit)
    values = pd.concat(frames.values())["value"].dropna()
    if len(values):
        color = panel.color(values.iloc[-1])
        figure.update_traces(line={"color": color}, fill="tozeroy", opacity=0.5)
        figure.add_annotation(text=_large(panel, values.iloc[-1]), font={"size": 26, "color": color, "weight": 600})
        figure.update_annotations(showarrow=False, x=0, xanchor="left", y=0.62, xref="x domain", yref="y domain")
        figure.update_yaxes(range=[0, 3 * (values.max() or 1)])
    figure.update_xaxes(visible=False).update_yaxes(visible=False)
    return figure.update_layout(height=190, hovermode="x", showlegend=False)


def _large(panel: Panel, value: float) -> str:
    if panel.unit == "%":
        return f"{value:.{panel.decimals}%}"
    number = f'{value:,.{panel.decimals}f} <span style="font-size:12px">{panel.unit}</span>'
    return panel.texts.get(value, number)


def _states(panel: Panel, frames: Named) -> go.Figure:
    states = {value: (text, panel.color(value)) for value, text in panel.texts.items()}
    return charts.states(frames, states, title=panel.title)


def _heatmap(panel: Panel, frames: Named) -> go.Figure:
    return charts.heatmap(pd.concat(frames.values()), title=panel.title, unit=panel.unit)


def _bars(panel: Panel, frames: Named) -> go.Figure:
    return charts.bars(pd.concat(frames.values()), title=panel.title, unit=panel.unit)


_DRAW = {"timeseries": _timeseries, "stat": _stat, "state-timeline": _states, "heatmap": _heatmap, "bargauge": _bars}
