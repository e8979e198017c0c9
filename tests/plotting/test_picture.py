"""The picture of a figure: small, well-formed, and with what the figure says, for those who cannot run plotly."""

import xml.etree.ElementTree as ET
from collections.abc import Callable

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from labkit import Prometheus, dashboard, plot
from labkit.plotting import theme
from labkit.plotting.picture import draw
from labkit.plotting.picture.drawing import LIMIT
from labkit.prometheus.frames import tidy
from tests.prometheus.known_history import END, START, STEP

SVG = "{http://www.w3.org/2000/svg}"


def texts(picture: str) -> list[str]:
    return ["".join(text.itertext()) for text in ET.fromstring(picture).iter(f"{SVG}text")]  # noqa: S314  ours


def count(picture: str, tag: str) -> int:
    return sum(1 for _ in ET.fromstring(picture).iter(f"{SVG}{tag}"))  # noqa: S314  ours


def noise(series: int, points: int) -> pd.DataFrame:
    """Lines that go up and down at each point, which is the most that a picture can hold."""
    values = np.random.default_rng(0).random((series, points)) * 1000
    answer = [
        {"metric": {"pod": f"pod-{n}"}, "values": [[START + k, str(v)] for k, v in enumerate(row)]}
        for n, row in enumerate(values)
    ]
    return tidy({"data": {"resultType": "matrix", "result": answer}})


@pytest.fixture(scope="module")
def events(prometheus: Prometheus) -> pd.DataFrame:
    return prometheus.query_range("events", last=END - START, step=STEP, end=END)


def test_lines_have_their_names_axes_and_gaps(events: pd.DataFrame) -> None:
    """Title, legend, unit and times are there, and a line breaks where it does in the figure."""
    picture = draw(plot.line(events, title="Events <b>so far</b>", unit="events"))
    assert {"Events so far", "joined", "left", "events", "time (UTC)", "00:04:00", "1,000"} <= set(texts(picture))
    lines = [path for path in ET.fromstring(picture).iter(f"{SVG}path") if path.get("fill") == "none"]  # noqa: S314
    assert [str(path.get("d")).count("M") for path in lines] == [1, 2]
    assert [path.get("stroke") for path in lines] == [theme.EVENTS["joined"], theme.EVENTS["left"]]


def test_bars_dots_and_heat_maps_are_drawn(prometheus: Prometheus, events: pd.DataFrame) -> None:
    """A bar for each series with its value, a ring and a dot for each row, an image for each bucket."""
    bars = draw(plot.bars(prometheus.query("events", at=END), unit="ms"))
    ledger = pd.DataFrame({"metric": ["m"], "labels": ["l"], "ledger": [7], "prometheus": [6], "equal": [False]})
    compared = draw(plot.compare(ledger))
    rates = "sum by (le) (rate(took_ms[20s]))"
    heat = draw(plot.heatmap(prometheus.query_range(rates, last=END - START, step=STEP, end=END), unit="ms"))
    assert (count(bars, "rect"), "1,200 ms" in texts(bars)) == (2, True)
    assert count(compared, "circle") == 2 + 2  # two in the legend
    assert "7 ≠ 6" in texts(compared)
    assert (count(heat, "image"), "≤ 10 ms" in texts(heat)) == (2, True)


@pytest.mark.parametrize("draw_it", [plot.line, plot.bars, plot.heatmap])
def test_nothing_is_a_picture_that_says_so(draw_it: Callable[..., go.Figure]) -> None:
    """As the figure does."""
    empty = tidy({"data": {"resultType": "matrix", "result": []}})
    assert "no data yet" in texts(draw(draw_it(empty)))


@pytest.mark.parametrize(("series", "points"), [(4, 120), (20, 600), (200, 600)])
def test_a_picture_is_small(series: int, points: int) -> None:
    """However much is in it: what nobody could see is left out."""
    picture = draw(plot.line(noise(series, points), title="noise"))
    assert 2_000 < len(picture) <= LIMIT


def test_the_dashboard_is_a_picture(prometheus: Prometheus) -> None:
    """All its panels, each in its place."""
    picture = draw(dashboard.overview(prometheus, last="1m", end=END))
    assert {panel.title for panel in dashboard.panels()} <= set(texts(picture))
    assert len(picture) <= LIMIT


def test_texts_cannot_break_out(events: pd.DataFrame) -> None:
    """A label is text, whatever it looks like."""
    hostile = '"><script>alert(1)</script>'
    picture = draw(plot.line(events.assign(event=events["event"].replace("left", hostile)), title="a < b & c"))
    assert count(picture, "script") == 0
    assert {hostile, "a < b & c"} <= set(texts(picture))


@pytest.mark.parametrize(
    "figure",
    [
        go.Figure(go.Pie(values=[1, 2])),
        go.Figure(go.Scatter(x=[1, 10], y=[1, 10]), layout={"xaxis": {"type": "log"}}),
        go.Figure(go.Heatmap(z=[[1, 2]], x=["a", "b"], y=["c"], colorscale=[[0, "red"], [1, "blue"]])),
        go.Figure(go.Scatter(y=np.arange(1e6), x=np.arange(1e6))),
    ],
    ids=["pie", "log", "named colours", "a million points"],
)
def test_what_is_not_known_has_no_picture(figure: go.Figure) -> None:
    """Rather than a wrong one, or an error in the place of the figure."""
    assert draw(figure) == ""
