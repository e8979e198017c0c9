"""The series of frames: what they are called, and which of many are shown."""

from collections.abc import Callable
from math import inf, nan

import pandas as pd
import plotly.graph_objects as go
import pytest

from labkit import plot
from labkit.plotting.series import MAX_SERIES, named, top
from labkit.prometheus.frames import tidy
from labkit.prometheus.query import Prometheus
from tests.prometheus.known_history import END


def pods(count: int) -> pd.DataFrame:
    """As many series as asked for; each ends with its own number, and began higher than any of them ends."""
    series = [
        {"metric": {"__name__": "up", "pod": f"pod-{n}"}, "values": [[END - 5, "1e9"], [END, str(n)]]}
        for n in range(count)
    ]
    return tidy({"data": {"resultType": "matrix", "result": series}})


def test_a_legend_has_only_what_differs(prometheus: Prometheus) -> None:
    """Labels and names that all series share are left out; what differs is joined."""
    one_label = named(prometheus.query("events", at=END))
    name_too = named(prometheus.query('{__name__=~"events|took_ms", event!="left", le=~"|5.0"}', at=END))
    assert [name for name, _ in one_label] == ["joined", "left"]
    assert {name for name, _ in name_too} == {"events · joined", "took_ms · 5.0"}


def test_several_frames_have_their_names_in_front(prometheus: Prometheus) -> None:
    """A frame with one series goes by its own name; one with several adds what differs."""
    frames = {"all": prometheus.query("sum(events)", at=END), "each": prometheus.query("events", at=END)}
    assert [name for name, _ in named(frames)] == ["all", "each · joined", "each · left"]


def test_of_many_series_the_highest_last_values_are_shown() -> None:
    """The highest comes first, and it is said how many are not shown; as many as fit keep their order."""
    shown, more = top(pods(154))
    assert [name for name, _ in shown] == [f"pod-{n}" for n in range(153, 153 - MAX_SERIES, -1)]
    assert (more, str(top(pods(154)))) == (134, "and 134 more")
    assert top(pods(MAX_SERIES)).more == 0
    assert [name for name, _ in top(pods(3)).shown] == ["pod-0", "pod-1", "pod-2"]


def test_many_frames_are_measured_together() -> None:
    """A series is left out for all others, whichever frame they are in; what has no value is the first to go."""
    frames = {"a": pods(3), "b": pods(4), "none": pods(1).assign(value=nan), "most": pods(1).assign(value=inf)}
    shown, more = top(frames, most=3)
    assert [name for name, _ in shown] == ["most", "b · pod-3", "b · pod-2"]
    assert more == 6


@pytest.mark.parametrize("draw", [plot.line, plot.bars])
def test_ten_thousand_series_are_a_figure_of_twenty(draw: Callable[[pd.DataFrame], go.Figure]) -> None:
    """It is small, it is high enough for all its names, and it says what is not in it."""
    figure = draw(pods(10_000))
    assert max(len(figure.data), len(figure.data[0].y)) == MAX_SERIES
    assert figure.layout.height > 20 * MAX_SERIES
    assert "and 9,980 more" in figure.to_json()
    assert len(figure.to_json()) < 30_000
