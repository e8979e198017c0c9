"""Tidy frames of whatever Prometheus answers: asked of a real one."""

from math import inf

import pandas as pd
import pytest

from labkit.errors import QueryError
from labkit.notebook.live.client import LiveClient
from labkit.prometheus.frames import tidy
from labkit.prometheus.query import Prometheus
from tests.prometheus.known_history import AWAY, BOUNDS, END, START, STEP, STEPS

BASE = {"time": "datetime64[ms, UTC]", "metric": "string", "value": "float64"}


def types(frame: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(dtype) for name, dtype in frame.dtypes.items()}


def test_an_instant_query_gives_one_row_per_series(prometheus: Prometheus) -> None:
    """Time, name, one column per label, value: with the documented types, in that order."""
    frame = prometheus.query("events", at=END)
    assert types(frame) == {"time": BASE["time"], "metric": "string", "event": "string", "value": "float64"}
    assert frame[["metric", "event", "value"]].to_numpy().tolist() == [
        ["events", "joined", 10.0 * (STEPS - 1)],
        ["events", "left", STEPS - 1.0],
    ]
    assert set(frame["time"]) == {pd.Timestamp(END, unit="s", tz="UTC")}


def test_a_range_query_gives_one_row_per_sample(prometheus: Prometheus) -> None:
    """Every step has its row, series by series, and the step is kept for drawing it."""
    frame = prometheus.query_range("events", last="1m", step="5s", end=START + 60)
    assert frame.groupby("event")["value"].apply(list).to_dict() == {
        "joined": [10.0 * n for n in range(13)],
        "left": [float(n) for n in range(13)],
    }
    assert frame["time"].iloc[0] == pd.Timestamp("2026-01-01", tz="UTC")
    assert frame.attrs["step"] == 5.0


def test_bounds_of_buckets_are_ordered_as_numbers(prometheus: Prometheus) -> None:
    """5 before 10, +Inf last: at a moment, over a time, in a live figure; unless the query asks for an order."""
    assert list(prometheus.query("took_ms", at=END)["le"]) == list(BOUNDS)
    assert list(prometheus.query_range("took_ms", last="1m", end=END)["le"].unique()) == list(BOUNDS)
    answer = LiveClient(lambda: prometheus).range("took_ms", START, END, 5)
    assert [series["metric"]["le"] for series in answer["data"]["result"]] == list(BOUNDS)
    assert list(prometheus.query("sort_desc(took_ms)", at=END)["value"]) == [1800.0, 1800.0, 1200.0, 0.0]


def test_samples_that_are_missing_are_missing(prometheus: Prometheus) -> None:
    """A series that was away has no rows for that time, rather than invented ones."""
    frame = prometheus.query_range('events{event="left"}', last=END - START, step=STEP, end=END)
    steps = (frame["time"] - pd.Timestamp(START, unit="s", tz="UTC")).dt.total_seconds() / STEP
    # Prometheus repeats the last sample for the time its lookback lasts: one step here.
    assert set(range(STEPS)) - set(steps) == set(list(AWAY)[1:])


@pytest.mark.parametrize("ask", [Prometheus.query, Prometheus.query_range])
def test_no_series_is_an_empty_frame_of_the_same_shape(prometheus: Prometheus, ask: object) -> None:
    """An empty result has the base columns with their types, so the code that follows works on it."""
    assert callable(ask)
    frame = ask(prometheus, "no_such_metric")
    assert frame.empty
    assert types(frame) == BASE
    assert frame.attrs["promql"] == "no_such_metric"
    assert frame["value"].sum() == 0


@pytest.mark.parametrize(
    ("promql", "rows"),
    [
        ("1 + 1", [("", 2.0)]),
        ("sum(events)", [("", 11.0 * (STEPS - 1))]),
        ('events{event="joined"}[6s]', [("events", 10.0 * (STEPS - 2)), ("events", 10.0 * (STEPS - 1))]),
    ],
)
def test_every_type_of_result_is_a_frame(prometheus: Prometheus, promql: str, rows: list[tuple[str, float]]) -> None:
    """Scalars and range vectors come as rows too; a name that PromQL dropped is empty."""
    frame = prometheus.query(promql, at=END)
    assert list(zip(frame["metric"], frame["value"], strict=True)) == rows


def test_a_string_is_a_row_too(prometheus: Prometheus) -> None:
    """A string literal, which PromQL allows, keeps its text."""
    frame = prometheus.query('"hello"')
    assert types(frame) == BASE | {"value": "string"}
    assert frame["value"].tolist() == ["hello"]


def test_values_that_are_no_ordinary_numbers_arrive(prometheus: Prometheus) -> None:
    """NaN and infinity are values, and a label that a series lacks is empty."""
    frame = prometheus.query("odd", at=START + 1).set_index("case")
    assert frame.loc["inf", "value"] == inf
    assert frame["value"].isna().to_dict() == {"clash": False, "awkward": False, "inf": False, "nan": True}
    assert frame.loc["nan", "text"] == ""


def test_labels_may_be_called_like_our_own_columns(prometheus: Prometheus) -> None:
    """A label named time, metric or value has a column of its own, even beside a label_time."""
    frame = prometheus.query('odd{case="clash"}', at=START + 1)
    row = frame.iloc[0]
    assert (row["label_time"], row["label_metric"], row["label_label_time"], row["label_value"]) == ("1", "2", "3", "4")
    assert (row["metric"], row["value"]) == ("odd", 1.0)


def test_warnings_are_kept(prometheus: Prometheus) -> None:
    """What Prometheus remarks about an answer stays with it."""
    assert prometheus.query("events").attrs["warnings"] == []
    (warning,) = prometheus.query('events{remote="yes"}').attrs["warnings"]
    assert "remote_read" in warning


def test_native_histograms_are_refused() -> None:
    """They are not numbers: the message says what to ask for. (The answer is the documentation's own.)"""
    sample = {"metric": {}, "histogram": [1435781451.781, {"count": "1", "sum": "2", "buckets": [[0, "1", "2", "1"]]}]}
    with pytest.raises(QueryError, match="histogram_quantile"):
        tidy({"status": "success", "data": {"resultType": "vector", "result": [sample]}})
