"""Frames in, figures out: what is drawn is what Prometheus said, and people can read it."""

from collections.abc import Callable
from itertools import combinations, product

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from labkit import dashboard, plot
from labkit.plotting import theme
from labkit.prometheus.query import Prometheus
from tests.prometheus.known_history import AWAY, END, HITS, START, STEP

HISTORY = {"last": END - START, "step": STEP, "end": END}
UP_OR_DOWN = {0.0: ("down", theme.VERMILION), 1.0: ("up", theme.GREEN)}


@pytest.fixture(scope="module")
def events(prometheus: Prometheus) -> pd.DataFrame:
    return prometheus.query_range("events", last=END - START, step=STEP, end=END)


@pytest.fixture(scope="module")
def nothing(prometheus: Prometheus) -> pd.DataFrame:
    return prometheus.query_range("no_such_metric", last="1m")


def ledger(*rows: tuple[str, str, float, float]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["metric", "labels", "ledger", "prometheus"])
    return frame.assign(equal=frame["ledger"] == frame["prometheus"])


# Names


def test_a_label_cannot_break_out_of_the_figure(events: pd.DataFrame) -> None:
    """plotly takes names as markup, and anybody can write a label."""
    hostile = events.assign(event=events["event"].replace("joined", '<a href="https://example.com">joined</a>'))
    names = [trace.name for trace in plot.line(hostile).data]
    assert names == ["&lt;a href=&quot;https://example.com&quot;&gt;joined&lt;/a&gt;", "left"]


# Lines


def test_lines_are_the_samples(events: pd.DataFrame) -> None:
    """One line per series, in UTC, with the unit at the axis and in the hover text."""
    figure = plot.line(events, title="Events", unit="events")
    joined = events[events["event"] == "joined"]
    assert [trace.name for trace in figure.data] == ["joined", "left"]
    assert list(figure.data[0].y) == joined["value"].tolist()
    assert list(pd.DatetimeIndex(figure.data[0].x)) == joined["time"].tolist()
    assert figure.layout.yaxis.title.text == "events"
    assert figure.data[0].hovertemplate == "%{y:,.3~f} events"
    assert figure.layout.xaxis.title.text == "time (UTC)"


def test_a_line_breaks_where_samples_are_missing(events: pd.DataFrame) -> None:
    """A series that was away is not drawn across that time."""
    left = plot.line(events).data[1]
    (hole,) = np.flatnonzero(np.isnan(np.array(left.y, dtype=float)))
    assert left.y[hole - 1] == AWAY.start - 1
    assert left.y[hole + 1] == AWAY.stop
    assert not left.connectgaps


def test_one_line_needs_no_legend_and_many_get_a_list(prometheus: Prometheus, events: pd.DataFrame) -> None:
    """A single series is named by the title; more than five are listed beside the plot."""
    one = plot.line(events[events["event"] == "left"])
    many = plot.line(dict.fromkeys("abcdef", events[events["event"] == "left"]))
    assert one.layout.showlegend is False
    assert (many.layout.showlegend, many.layout.legend.orientation) == (True, "v")


def test_colours_can_be_fixed_by_name(events: pd.DataFrame) -> None:
    """A given color is used for that name, the palette for the others, and no two lines share their dash."""
    joined, left = plot.line(events, colors={"left": theme.PURPLE}).data
    assert (joined.line.color, left.line.color) == (theme.PALETTE[0], theme.PURPLE)
    assert joined.line.dash != left.line.dash


def test_an_event_has_one_colour_everywhere(events: pd.DataFrame) -> None:
    """Whatever else is in a figure, and in the dashboard; its dash is its own, too."""
    both = {trace.name: trace.line for trace in plot.line({"all": events, "other": events}).data}
    assert {both[f"{frame} · left"].color for frame in ("all", "other")} == {theme.EVENTS["left"]}
    assert len({both[f"all · {event}"].dash for event in ("joined", "left")}) == 2
    panel = next(panel for panel in dashboard.panels() if panel.title == "Events per second")
    assert panel.colors == theme.EVENTS


def test_quantiles_lie_above_each_other(prometheus: Prometheus) -> None:
    """Each quantile is filled down to the one before it."""
    rates = "sum by (le) (rate(took_ms[20s]))"
    frames = {f"p{q}": prometheus.query_range(f"histogram_quantile(0.{q}, {rates})", **HISTORY) for q in (50, 95)}
    figure = plot.quantiles(frames, unit="ms")
    assert [trace.name for trace in figure.data] == ["p50", "p95"]
    assert [trace.fill for trace in figure.data] == [None, "tonexty"]
    assert np.nanmax(np.array(figure.data[0].y)) == pytest.approx(5 + 5 * 7.5 / 10)
    assert figure.layout.yaxis.ticksuffix == " ms"


# Other figures


def test_bars_are_sorted_and_named(prometheus: Prometheus) -> None:
    """The longest bar is on top, each carries its value, and what has none has no bar."""
    (bars,) = plot.bars(prometheus.query("odd < 10 or odd != odd", at=START + 1), unit="ms").data
    assert list(bars.x) == [1.0, 2.0]
    assert bars.y[1].startswith("awkward")
    assert bars.texttemplate == "%{x:,.3~f} ms"


def test_a_heat_map_has_what_fell_into_each_bucket(prometheus: Prometheus) -> None:
    """Buckets are no longer cumulative, those never hit at the edges are left out, and bounds carry the unit."""
    figure = plot.heatmap(prometheus.query_range("sum by (le) (rate(took_ms[20s]))", **HISTORY), unit="ms")
    (cells,) = figure.data
    assert list(cells.y) == ["≤ 10", "≤ 25"]
    assert np.nanmedian(np.array(cells.z, dtype=float), axis=1) == pytest.approx([HITS[1] / STEP, HITS[2] / STEP])
    assert figure.layout.yaxis.ticksuffix == " ms"


def test_an_overflow_bucket_says_so(prometheus: Prometheus) -> None:
    """What lies above the highest bound is "more than" it."""
    cumulative = "label_replace(vector(1), 'le', '5', '', '') or label_replace(vector(3), 'le', '+Inf', '', '')"
    (cells,) = plot.heatmap(prometheus.query_range(cumulative, last="10s")).data
    assert list(cells.y) == ["≤ 5", "> 5"]
    assert set(np.array(cells.z, dtype=float)[1]) == {2.0}


def test_states_are_bands(prometheus: Prometheus) -> None:
    """Each series is one band, colored by its value, and its name says how it is now."""
    query = "label_replace(vector(1), 'what', 'Redis', '', '') or label_replace(vector(0), 'what', 'sidecar', '', '')"
    (bands,) = plot.states(prometheus.query_range(query, last="10s"), UP_OR_DOWN).data
    assert list(bands.y) == ["sidecar: down", "Redis: up"]
    assert [set(row) for row in np.array(bands.z).tolist()] == [{0.0}, {1.0}]
    assert [color for _, color in bands.colorscale] == [theme.VERMILION] * 2 + [theme.GREEN] * 2


def test_a_comparison_shows_what_differs() -> None:
    """Equal rows have one color; a row that differs has another, and both numbers."""
    rows = ledger(("user_events", 'event="joined"', 5, 5), ("api_errors", "", 7, 6), ("new", "", 1, np.nan))
    figure = plot.compare(rows)
    assert [trace.name for trace in figure.data] == ["ledger", "Prometheus"]
    assert figure.data[1].marker.color == (theme.VERMILION, theme.VERMILION, theme.GREEN)
    assert [note.text for note in figure.layout.annotations] == ["<b>1 ≠ nothing</b>", "<b>7 ≠ 6</b>", "5"]


@pytest.mark.parametrize("draw", [plot.line, plot.bars, plot.heatmap, lambda frame: plot.states(frame, UP_OR_DOWN)])
def test_nothing_to_draw_is_a_figure_that_says_so(nothing: pd.DataFrame, draw: Callable[..., go.Figure]) -> None:
    """An empty frame is not an error: the figure names the query that found nothing."""
    (note,) = draw(nothing).layout.annotations
    assert note.text == "no data yet:<br>no_such_metric"


def test_no_quantiles_and_no_rows_say_so_too(nothing: pd.DataFrame) -> None:
    """So do frames given by name, a comparison without rows, and a series of nothing but NaN."""
    empty = [plot.quantiles({"p50": nothing}), plot.compare(ledger()), plot.line(nothing.assign(value=float("nan")))]
    assert all(figure.layout.annotations[0].text.startswith("no data yet") for figure in empty)


# The look


@pytest.mark.parametrize(
    "unit, hover", [("s", "%{y:.3~s}s"), ("%", "%{y:.2~%}"), ("ms", "%{y:,.3~f} ms"), ("", "%{y:,.3~f}")]
)
def test_units_are_in_the_hover_text(unit: str, hover: str) -> None:
    """Seconds choose their prefix, shares become percent, everything else is a number with its unit."""
    assert theme.unit(unit).hover("y") == hover


def test_no_figure_offers_an_upload(events: pd.DataFrame) -> None:
    """The template travels with every figure, and removes the button that shares it in a cloud."""
    template = plot.line(events).to_plotly_json()["layout"]["template"]
    assert "sendChartToCloud" in template["layout"]["modebar"]["remove"]


def _seen(color: str, simulation: list[list[float]]) -> np.ndarray:
    encoded = np.array([int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    linear: np.ndarray = np.array(simulation) @ np.where(
        encoded < 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4
    )
    return linear


NORMAL = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
# Machado, Oliveira and Fernandes (2009), severity 1.
DEUTERANOPIA = [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]
PROTANOPIA = [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]


@pytest.mark.parametrize("simulation", [NORMAL, DEUTERANOPIA, PROTANOPIA], ids=["normal", "deuteranopia", "protanopia"])
def test_colours_can_be_told_apart(simulation: list[list[float]]) -> None:
    """No two colors of the palette look alike, even to people who cannot tell red from green."""
    distances = {
        (one, other): np.linalg.norm(_seen(one, simulation) - _seen(other, simulation))
        for one, other in combinations(theme.PALETTE, 2)
    }
    assert min(distances.values()) > 0.1, min(distances, key=lambda pair: distances[pair])


@pytest.mark.parametrize("color, page", list(product([*theme.PALETTE, theme.TEXT], ["#FFFFFF", "#111111"])))
def test_colours_stand_out_on_light_and_dark_pages(color: str, page: str) -> None:
    """Lines and text contrast with a white page and with JupyterLab's dark one; text the most."""
    luminance = [float(np.dot(_seen(each, NORMAL), [0.2126, 0.7152, 0.0722])) for each in (color, page)]
    assert (max(luminance) + 0.05) / (min(luminance) + 0.05) > (3.5 if color == theme.TEXT else 2)
