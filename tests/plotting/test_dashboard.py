"""The dashboard, drawn without Grafana: the same queries, asked of a real lab."""

from collections.abc import Iterator

import httpx
import plotly.graph_objects as go
import promql_parser
import pytest

from labkit import Prometheus, QueryError, Stack, dashboard
from labkit.plotting.panels import Window

LAST = "1m"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A lab in which a customer was served, another is waiting, and a step was refused, and Prometheus has seen it."""
    home = tmp_path_factory.mktemp("dashboard")
    with Stack.up(home=home, ports="auto", scrape_interval=0.5, flush_interval=0.5) as stack:
        prometheus = Prometheus(stack.urls["prometheus"])
        # A rate cannot see growth from before the first scrape.
        prometheus.wait_until("user_events")
        for step in ("served", "join", "look-around", "served", "join"):
            httpx.get(f"{stack.urls['store']}/api/store/{step}")
        prometheus.wait_until("sum(rate(user_events{event='served'}[2s])) > 0 and on() sum(users_waiting) == 1")
        yield stack


@pytest.fixture(scope="module")
def asked(lab: Stack) -> Prometheus:
    return Prometheus(lab.urls["prometheus"])


@pytest.fixture(scope="module")
def figures(asked: Prometheus) -> dict[str, go.Figure]:
    return dashboard.figures(asked, last=LAST)


# Queries


def test_every_query_is_promql() -> None:
    """With the variables replaced, nothing of Grafana is left, and a PromQL parser accepts it."""
    queries = dashboard.queries("15m")
    assert {query.panel for query in queries} == {panel.title for panel in dashboard.panels()}
    for query in queries:
        assert "$" not in query.promql
        promql_parser.parse(query.promql)


@pytest.mark.parametrize(
    ("last", "scrape", "step", "rate"),
    [(300, 5, 5, "20000ms"), (300, 1, 1, "4000ms"), (60, 0.5, 0.5, "2000ms"), (86400, 5, 288, "293000ms")],
)
def test_rates_are_taken_over_grafanas_interval(last: float, scrape: float, step: float, rate: str) -> None:
    """`$__rate_interval` is the step and a scrape, and at least four scrapes; `$__interval` is the step."""
    window = Window(last, scrape)
    assert window.step == step
    assert window.variables() == {
        "__interval": f"{round(step * 1000)}ms", "__rate_interval": rate, "__range": f"{last * 1000}ms",
    }  # fmt: skip


def test_variables_are_chosen_by_value() -> None:
    """All by default; a chosen value means itself, not a pattern; several are alternatives."""
    assert all('job=~".+", instance=~".+"' in query.promql for query in dashboard.queries() if "{" in query.promql)
    chosen = dashboard.queries(job="labkit", instance=["127.0.0.1:9121", "::1:9121"])[0].promql
    assert chosen == r'min(redis_up{job=~"labkit", instance=~"127\\.0\\.0\\.1:9121|::1:9121"})'


def test_an_unknown_variable_is_refused(asked: Prometheus) -> None:
    """The error names those that there are."""
    with pytest.raises(QueryError, match="no variable host; it has job, instance"):
        dashboard.queries(host="a")
    with pytest.raises(QueryError, match="no variable host; it has job, instance"):
        dashboard.overview(asked, host="a")


# Figures


def test_every_query_has_data(asked: Prometheus) -> None:
    """In a lab that works, no query of the dashboard comes back empty."""
    queries = dashboard.queries(LAST, scrape_interval=0.5)
    assert [query for query in queries if asked.query_range(query.promql, last=LAST, step=0.5).empty] == []


def test_every_panel_is_drawn(figures: dict[str, go.Figure]) -> None:
    """Each panel is a figure with its title and with data, not with a note that there is none."""
    for panel in dashboard.panels():
        figure = figures[panel.title]
        assert figure.layout.title.text == panel.title
        assert len(figure.data) >= 1, panel.title
        assert not any("no data" in note.text for note in figure.layout.annotations), panel.title


def test_figures_show_what_happened(figures: dict[str, go.Figure]) -> None:
    """Names, colors, states and numbers are those of the lab."""
    assert figures["Redis"].layout.annotations[0].text == "up"
    assert figures["Users in the store"].layout.annotations[0].text.startswith("1 ")
    events = {trace.name: trace for trace in figures["Events per second"].data}
    assert set(events) == {"joined", "looked_around", "served", "left"}
    assert max(events["joined"].y) > max(events["left"].y) == 0
    colors = next(panel.colors for panel in dashboard.panels() if panel.title == "Events per second")
    assert {name: trace.line.color for name, trace in events.items()} == colors
    assert "Redis: up" in figures["What answers"].data[0].y
    assert "/api/store/join" in figures["Time to answer since the start, p95"].data[0].y


def test_all_figures_show_the_same_time(figures: dict[str, go.Figure]) -> None:
    """All are asked for the same moment, so that what is aligned happened at the same time."""
    spans = {tuple(figure.layout.xaxis.range) for figure in figures.values() if figure.layout.xaxis.range}
    ((start, end),) = spans
    assert (end - start).total_seconds() == 60


def test_the_overview_has_every_panel(asked: Prometheus, figures: dict[str, go.Figure]) -> None:
    """One figure with all panels, their titles, legends and the headings of their rows, none overlapping."""
    page = dashboard.overview(asked, last=LAST)
    texts = [note.text for note in page.layout.annotations]
    for panel in dashboard.panels():
        assert f"<b>{panel.title}</b>" in texts
        assert f"<b>{panel.row}</b>" in texts
    assert any("joined" in text and "served" in text for text in texts)
    assert len(page.data) == sum(len(figure.data) for figure in figures.values())
    axes = [axis for axis in page.layout if axis.startswith("xaxis")]
    assert len(axes) == len(dashboard.panels())


def test_an_empty_prometheus_is_drawn_too(prometheus: Prometheus) -> None:
    """Before there is any data, every panel that has none says so, as short as its place is small; nothing fails."""
    page = dashboard.overview(prometheus, last="10s", end=0, job="nobody")
    empty = [note for note in page.layout.annotations if note.text == "no data yet"]
    always = {panel.title for panel in dashboard.panels() for target in panel.targets if "vector(0)" in target.promql}
    assert len(empty) == len(dashboard.panels()) - len(always)
