"""Plot: tidy frames in, plotly figures out.

Times are UTC. A legend has only what differs: labels that all series share are left out. What is missing is a gap,
never a line drawn across it; a frame without rows gives a figure that says so. `unit` is shown on the axis and in the
hover text: "ms", "requests/s", …; `labkit.plotting.theme.unit` says which are special.

>>> plot.line(prometheus.query_range("rate(user_events[20s])"), title="Events", unit="events/s")
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from textwrap import wrap

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from labkit.plotting import picture, theme
from labkit.plotting.series import MAX_SERIES, Frames, Named, named, top

# Of every figure that a notebook shows, and not only of these.
picture.add()

_UTC = {"title": {"text": "time (UTC)"}, "hoverformat": "%Y-%m-%d %H:%M:%S UTC"}
# Short labels for times, by the distance between two (ms); the day is in them where a figure shows more than one.
TICKS = (
    {"dtickrange": [None, 3_599_999], "value": "%H:%M:%S"},
    {"dtickrange": [3_600_000, 86_399_999], "value": "%a %H:%M"},
    {"dtickrange": [86_400_000, None], "value": "%-d %b"},
)
_JITTER = 1.5
# More names than this become a list beside the plot instead of a line above it.
_LEGEND_LINE = 5
_QUERY_WIDTH = 80
# The height of a figure, of what is above and below the plot, and of an entry in a list beside it, in pixels.
_HEIGHT, _AROUND, _ENTRY = 340, 120, 20


def line(
    frames: Frames,
    *,
    title: str = "",
    unit: str = "",
    steps: bool = False,
    colors: Mapping[str, str] | None = None,
) -> go.Figure:
    """Return lines over time, one per series of a frame, or of several frames given by name.

    If there are more than `labkit.plotting.series.MAX_SERIES`, it has those with the highest last values, and the
    number of the others.

    Args:
        frames: what `query_range` returned, or several of them by the name that the legend should show.
        title: the figure's title.
        unit: of the values.
        steps: a value holds until the next one, as a gauge's does.
        colors: the color of a series by its name in the legend; others take the palette's next.
    """
    figure, shown = _figure(title, frames, unit), top(frames)
    traces = []
    for position, (name, series) in enumerate(shown.shown):
        color, dash = theme.stroke(name, position)
        shape = {"color": (colors or {}).get(name, color), "dash": dash, "shape": "hv" if steps else "linear"}
        x, y = _with_gaps(series)
        known = {"x": x, "y": y, "name": name or series["metric"].iloc[0] or "value"}
        traces.append({"type": "scatter", "mode": "lines", "line": {**shape, "width": 2}, **known})
    # All at once: plotly looks through the whole figure each time.
    figure.add_traces(traces).update_traces(hovertemplate=theme.unit(unit).hover("y"))
    return figure.update_xaxes(**_UTC).update_layout(_legend(len(traces), str(shown)))


def quantiles(frames: Named, *, title: str = "", unit: str = "") -> go.Figure:
    """Return quantiles over time, given by name from the lowest to the highest, with the area between them filled."""
    figure = line(frames, title=title, unit=unit, colors=dict.fromkeys(frames, theme.BLUE))
    for position, trace in enumerate(figure.data):
        if position:
            trace.update(fill="tonexty", fillcolor=f"rgba(0, 114, 178, {0.22 / position:.2f})")
    return figure.update_layout(legend_traceorder="normal")


def bars(frame: pd.DataFrame, *, title: str = "", unit: str = "") -> go.Figure:
    """Return one horizontal bar per series with its last value, the longest on top; a NaN has no bar.

    If there are more than `labkit.plotting.series.MAX_SERIES`, it has the longest, and says how many more there are.
    """
    present = frame.dropna(subset="value")
    figure, longest = _figure(title, present, ""), top(present)
    pairs = sorted(((series["value"].iloc[-1], name or " ") for name, series in longest.shown))
    look, said = theme.unit(unit), longest.more and f"the highest {MAX_SERIES}, {longest}"
    figure.add_bar(
        x=[value for value, _ in pairs], y=[name for _, name in pairs],
        orientation="h", marker_color=theme.BLUE, cliponaxis=False, textposition="outside",
        texttemplate=look.hover("x"), hovertemplate=f"%{{y}}: {look.hover('x')}<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(**{**look.axis, "title_text": said or look.axis["title_text"]}, rangemode="tozero")
    figure.update_layout(height=max(_HEIGHT, _AROUND + _ENTRY * len(pairs)))
    return figure.update_yaxes(showgrid=False).update_layout(hovermode="closest", margin_r=80)


def heatmap(frame: pd.DataFrame, *, title: str = "", unit: str = "") -> go.Figure:
    """Return how many observations fell into each bucket of a histogram over time, per second.

    Args:
        frame: `query_range("sum by (le) (rate(<histogram>_bucket[…]))")`.
        title: the figure's title.
        unit: of what the histogram observes.
    """
    hit = frame[frame["value"] > 0]
    figure = _figure(title, hit, unit)
    if len(hit):
        buckets = _buckets(frame)
        figure.add_heatmap(
            x=buckets.columns, y=list(buckets.index), z=buckets.where(buckets > 0), zmin=0,
            ygap=2, hoverongaps=False, colorscale=theme.HEAT,
            colorbar={"title": {"text": "per second"}, "thickness": 12, "outlinewidth": 0},
            hovertemplate="%{y}: %{z:,.3~f} per second<br>%{x|%Y-%m-%d %H:%M:%S} UTC<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(**_UTC, showgrid=False).update_yaxes(type="category", showgrid=False)
    return figure.update_layout(hovermode="closest", margin_t=56)


def states(frames: Frames, states: Mapping[float, tuple[str, str]], *, title: str = "") -> go.Figure:
    """Return one band per series, colored by the state it was in; its name includes the last one.

    Args:
        frames: what `query_range` returned, or several of them by the name that the axis should show.
        states: the name of each value, and its color.
        title: the figure's title.
    """
    figure = _figure(title, frames, "")
    rows = {name: series.set_index("time")["value"] for name, series in reversed(named(frames))}
    if rows:
        table = pd.DataFrame(rows).T
        codes = {value: code for code, value in enumerate(sorted(states))}
        texts = table.map(lambda value: states[value][0], na_action="ignore")
        last = texts.ffill(axis="columns").iloc[:, -1]
        figure.add_heatmap(
            x=table.columns, y=[f"{name}: {text}" for name, text in last.items()], z=table.replace(codes),
            customdata=texts, zmin=0, zmax=len(codes) - 1, ygap=8, hoverongaps=False, showscale=False,
            colorscale=_bands([states[value][1] for value in codes]),
            hovertemplate="%{customdata}<br>%{x|%Y-%m-%d %H:%M:%S} UTC<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(**_UTC, showgrid=False).update_yaxes(type="category", showgrid=False)
    return figure.update_layout(hovermode="closest", margin_t=56)


def _bands(colors: Sequence[str]) -> list[tuple[float, str]]:
    """A stepped color scale: each color fills its share from edge to edge."""
    return [(edge / len(colors), color) for place, color in enumerate(colors) for edge in (place, place + 1)]


def compare(frame: pd.DataFrame, *, title: str = "Ledger and Prometheus") -> go.Figure:
    """Return two sources side by side: a ring for what the ledger says, a dot for what Prometheus holds.

    Where they agree, the dot sits in its ring; where not, the row has another color and both numbers.

    Args:
        frame: columns `metric`, `labels`, `ledger`, `prometheus`, `equal`, as from `labkit.experiments.ledger.compare`.
        title: the figure's title.
    """
    rows = frame.iloc[::-1]
    figure = _figure(title, rows.assign(value=rows["ledger"]), "")
    names = [f"{row.metric} <b>{row.labels}</b>" for row in rows.itertuples()]
    colors = [theme.GREEN if equal else theme.VERMILION for equal in rows["equal"]]
    for source, column, marker in _SOURCES:
        figure.add_scatter(
            x=rows[column], y=names, mode="markers", name=source, marker={**marker, "color": colors},
            cliponaxis=False, hovertemplate="%{x:,.10~f}",
        )  # fmt: skip
    verdicts = map(_verdict, rows["ledger"], rows["prometheus"], rows["equal"])
    for name, verdict in zip(names, verdicts, strict=True):
        figure.add_annotation(x=1, xref="paper", xanchor="left", xshift=12, y=name, showarrow=False, text=verdict)
    return figure.update_layout(hovermode="y unified", height=130 + 26 * len(rows), margin_r=150)


_SOURCES = (
    ("ledger", "ledger", {"symbol": "circle-open", "size": 15, "line": {"width": 2}}),
    ("Prometheus", "prometheus", {"symbol": "circle", "size": 7}),
)


def _with_gaps(series: pd.DataFrame) -> tuple[pd.DatetimeIndex, list[float]]:
    """The samples of a series, with a NaN wherever one or more are missing, so that the line breaks there."""
    times, values = series["time"].dt.tz_localize(None).to_numpy(), series["value"].to_numpy()
    distances = np.diff(times) / np.timedelta64(1, "s")
    step = series.attrs.get("step") or min(distances, default=0)
    holes = np.flatnonzero(distances > _JITTER * step) + 1
    gapped = np.insert(times, holes, times[holes - 1])
    return pd.DatetimeIndex(gapped, tz="UTC"), list(np.insert(values, holes, np.nan))


def _buckets(frame: pd.DataFrame) -> pd.DataFrame:
    """Observations per second, not cumulative: one row per bucket from the first to the last one that is ever hit."""
    table = frame.assign(le=frame["le"].astype("float64")).pivot_table(index="le", columns="time", values="value")
    # The rates of two buckets are computed separately; the difference of equal ones may be a hair below zero.
    each = table.diff().fillna(table.iloc[:1]).clip(lower=0)
    hit = np.flatnonzero((each > 0).any(axis=1))
    bounds = [f"{bound:g}" for bound in each.index]
    each.index = pd.Index([f"> {low}" if high == "inf" else f"≤ {high}" for low, high in pairwise(["0", *bounds])])
    return each.iloc[hit[0] : hit[-1] + 1]


def _figure(title: str, frames: Frames, unit: str) -> go.Figure:
    figure = go.Figure(layout={"template": "labkit", "title": {"text": title}})
    if nothing := _nothing(frames):
        figure.add_annotation(text=nothing, showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper")
        figure.update_layout(xaxis_showticklabels=False, yaxis_showticklabels=False)
    return figure.update_yaxes(**theme.unit(unit).axis)


def _nothing(frames: Frames) -> str:
    each = [frames] if isinstance(frames, pd.DataFrame) else list(frames.values())
    if any(frame["value"].notna().any() for frame in each):
        return ""
    queries = [line for frame in each for line in wrap(frame.attrs.get("promql", ""), _QUERY_WIDTH)]
    return "<br>".join(["no data yet" + (":" if queries else ""), *queries])


def _legend(entries: int, more: str) -> dict[str, object]:
    if entries <= _LEGEND_LINE and not more:
        return {"showlegend": entries > 1}
    beside = {"orientation": "v", "x": 1.02, "y": 1, "yanchor": "top"}
    title = {"text": f"the highest {entries}, {more}", "font": {"size": 12}} if more else {}
    height = max(_HEIGHT, _AROUND + _ENTRY * (entries + bool(more)))
    return {"showlegend": True, "legend": {**beside, "title": title}, "margin": {"t": 56}, "height": height}


def _verdict(ledger: float, prometheus: float, equal: bool) -> str:
    says, holds = (f"{value:,.10g}".replace("nan", "nothing") for value in (ledger, prometheus))
    return says if equal else f"<b>{says} ≠ {holds}</b>"
