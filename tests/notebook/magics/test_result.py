"""The answer to a query: asked once, shown as a table or a figure, with its remarks and its reasons."""

import pytest

from harness.process import free_port
from labkit import Prometheus, QueryError
from labkit.notebook.magics.result import Result
from tests.notebook.magics.conftest import END

PLOTLY = "application/vnd.plotly.v1+json"


def test_nothing_is_asked_before_it_is_wanted() -> None:
    """A result of a Prometheus that is not there can be made; looking at it is the error."""
    result = Result(Prometheus(f"http://127.0.0.1:{free_port()}"), "up")
    with pytest.raises(QueryError, match="No Prometheus answers"):
        len(result)


def test_it_is_asked_once(prometheus: Prometheus) -> None:
    """The frame and the figure are made at the first use, and stay; the moment is that of the making."""
    result = Result(prometheus, "timestamp(up)")
    assert result.frame is result.frame
    assert result.figure is result.figure
    assert result.frame["time"].iloc[0].timestamp() == pytest.approx(result.at, abs=0.001)


def test_a_moment_is_a_table(prometheus: Prometheus) -> None:
    """Text and HTML have every series, the day and the zone of the times."""
    bundle = Result(prometheus, "user_events", at=END)._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    assert all(word in bundle["text/plain"] for word in ("joined", "left", "120"))
    assert "2 rows; times are UTC, 2026-01-01" in bundle["text/html"]


def test_what_takes_more_than_a_day_shows_the_days(prometheus: Prometheus) -> None:
    """In each row of a table, and in a figure where the mouse is and at its axis."""
    days = Result(prometheus, "vector(1)", last="2d", step="1h", at=END)
    table = Result(prometheus, "vector(1)", last="2d", step="1h", at=END, plot=False)._repr_mimebundle_()["text/html"]
    assert "<td>2025-12-30 00:01:00.000</td>" in table
    assert "<td>2026-01-01 00:01:00.000</td>" in table
    assert table.endswith("49 rows; times are UTC</small>")
    assert days.figure.layout.xaxis.hoverformat.startswith("%Y-%m-%d")
    assert days.figure.layout.xaxis.tickformat is None


def test_a_time_is_a_figure_that_reads_without_a_browser(prometheus: Prometheus) -> None:
    """The figure has a line for each series and the query as its title; beside it is the text."""
    result = Result(prometheus, "user_events", last="30s", at=END)
    bundle = result._repr_mimebundle_()
    assert [line["name"] for line in bundle[PLOTLY]["data"]] == ["joined · north", "left · south"]
    assert "user_events" in bundle[PLOTLY]["layout"]["title"]["text"]
    assert "joined" in bundle["text/plain"]
    assert result.figure.layout.title.text == "user_events"


def test_a_title_has_the_query_below_it(prometheus: Prometheus) -> None:
    """A title that is given stays as it is; the query stands below, each of its lines in its place."""
    query = 'sum by (event) (\n  user_events{shop!="<b>"}\n)'
    layout = Result(prometheus, query, last="30s", at=END, title="Guests")._repr_mimebundle_()[PLOTLY]["layout"]
    below = layout["title"]["subtitle"]["text"]
    assert layout["title"]["text"] == "Guests"
    assert below.count("<br>") == 2
    assert "&lt;b&gt;" in below


def test_bars_show_a_moment(prometheus: Prometheus) -> None:
    """A figure of one moment has a bar for each series."""
    (bars,) = Result(prometheus, "user_events", at=END, plot=True).figure.data
    assert bars.type == "bar"
    assert list(bars.x) == [120, 120]


def test_lines_show_a_range_of_samples(prometheus: Prometheus) -> None:
    """The samples of a series themselves, as `user_events[20s]` gives them, are a line, too."""
    lines = Result(prometheus, "user_events[20s]", at=END, plot=True).figure.data
    assert [line.type for line in lines] == ["scatter", "scatter"]
    assert list(lines[0].y)[-1] == 120


def test_remarks_of_prometheus_are_shown(prometheus: Prometheus) -> None:
    """A warning stands above the table, and in `warnings`."""
    result = Result(prometheus, 'up or user_events{remote="yes"}')
    assert len(result.warnings) == 1
    assert repr(result).startswith(f"warning: {result.warnings[0]}")
    assert "<b>Prometheus warns</b>" in result._repr_mimebundle_()["text/html"]


def test_infos_are_no_warnings(newest_prometheus: Prometheus) -> None:
    """They stand quietly, below; a counter whose name ends in another way than in _total is worth no remark at all."""
    rate = Result(newest_prometheus, "rate(user_events[20s])", at=END)
    assert "might not be a counter" in rate.frame.attrs["infos"][0]
    assert (rate.warnings, rate.infos, "might not" in repr(rate)) == ([], [], False)
    bucket = "label_replace(vector({}), 'le', '{}', '', '')"
    falling = Result(newest_prometheus, f"histogram_quantile(0.5, {bucket.format(3, 1)} or {bucket.format(1, '+Inf')})")
    assert "monotonicity" in falling.infos[0]
    assert repr(falling).endswith(f"\nnote: {falling.infos[0]}")
    shown = falling._repr_mimebundle_()["text/html"]
    assert "labkit-quiet" in shown and "Prometheus warns" not in shown


@pytest.mark.parametrize("last", [None, "30s"])
def test_an_empty_answer_has_its_reasons(prometheus: Prometheus, last: str | None) -> None:
    """Instead of an empty table or figure stands why, as text and as HTML that is safe."""
    bundle = Result(prometheus, 'user_events{event="<i>"}', at=END, last=last)._repr_mimebundle_()
    assert PLOTLY not in bundle
    assert "Values of event: joined, left" in bundle["text/plain"]
    assert "Values of event: joined, left" in bundle["text/html"]
    assert "<i>" not in bundle["text/html"]


def test_many_rows_are_shortened(prometheus: Prometheus) -> None:
    """A long table shows its beginning and its end, and says how many there are."""
    result = Result(prometheus, "user_events", last="60s", step="1s", at=END, plot=False)
    assert len(result.frame) > 100
    shown = result._repr_mimebundle_()["text/html"]
    assert shown.count("<tr>") < 30
    assert f"{len(result.frame)} rows" in shown
