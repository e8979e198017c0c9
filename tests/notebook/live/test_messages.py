"""What is sent to the browser: each point once, and the same picture in the end."""

import gc
import json
import weakref
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import labkit
from labkit import dashboard, plot
from labkit.notebook.live.history import History
from labkit.notebook.live.parts import Lines
from labkit.notebook.live.sources import Caption, dashboard_source, source
from labkit.notebook.live.update_stream import UpdateStream
from labkit.plotting.series import MOST
from labkit.prometheus.query import Prometheus
from tests.notebook.live.browser import Page
from tests.notebook.live.conftest import LIVES, START, STEP, STEPS

SETTLED = 0.3  # s
END = START + STEP * STEPS


def look(prometheus: Prometheus, what: object = "seen", last: float = 60) -> UpdateStream:
    return UpdateStream(source(what, lambda: prometheus, 1, last))


@settings(max_examples=30, deadline=None)
@given(moments=st.lists(st.floats(START + 1, END), min_size=1, max_size=12).map(sorted))
def test_points_asked_for_one_by_one_are_those_asked_for_at_once(prometheus: Prometheus, moments: list[float]) -> None:
    """Whenever it looks, the page holds in the end what it would, had it looked only once."""
    steady, once = look(prometheus), look(prometheus)
    page, other = Page(), Page()
    for position, moment in enumerate(moments):
        steady.ask(moment)
        page.take(steady.change() if position else steady.whole())
    once.ask(moments[-1])
    other.take(once.whole())
    assert page.lines() == other.lines()
    assert page.parts[0]["layout"]["xaxis"]["range"] == other.parts[0]["layout"]["xaxis"]["range"]


def test_a_point_is_asked_for_and_sent_once(prometheus: Prometheus) -> None:
    """A second later, one point for each line goes to the browser, and nothing if no time has passed."""
    updates = look(prometheus, last=60)
    updates.ask(START + 60)
    updates.whole()
    updates.ask(START + 61)
    message = updates.change()
    assert message
    at = (START + 60) * 1000
    assert message["parts"][0]["extend"] == [[0, [at], [144.0], 61], [1, [at], [144.0], 61], [2, [at], [144.0], 61]]
    assert len(json.dumps(message)) < 300
    updates.ask(START + 61)
    assert updates.change() is None


def test_lines_begin_break_and_end(prometheus: Prometheus) -> None:
    """A new series gets a line, an absence a gap, and what is over leaves with the window."""
    updates, page = look(prometheus), Page()
    seen: dict[str, set[int]] = {}
    for moment in range(START + 5, END, 5):
        updates.ask(moment + SETTLED)
        page.take(updates.change() if page.parts else updates.whole())
        for name in page.lines():
            seen.setdefault(name, set()).add(moment)
    assert set(seen) - {"value", "seen"} == set(LIVES)
    # Prometheus shows a last sample for 8 s more, and the window is 60 s wide.
    assert max(seen["ends"]) - (START + 24 * STEP) in range(60, 75)
    assert min(seen["begins"]) - (START + 30 * STEP) in range(6)
    assert page.extended > 40


def test_an_absence_is_a_gap(prometheus: Prometheus) -> None:
    """The line breaks where the series had no samples, although it was extended across."""
    updates, page = look(prometheus, 'seen{life="breaks"}', last=200), Page()
    for moment in range(START + 60, START + 240):
        updates.ask(moment + SETTLED)
        page.take(updates.change() if page.parts else updates.whole())
    (points,) = page.lines().values()
    (gap,) = [place for place, (_, value) in enumerate(points) if value is None]
    # Prometheus 3 shows a last sample for a hair less than 8 s, Prometheus 2 for all of them.
    assert points[gap][0] / 1000 - (START + 19 * STEP) in {7, 8}
    assert points[gap + 1][0] / 1000 == START + 35 * STEP


def test_a_function_is_sent_when_it_draws_something_else(prometheus: Prometheus) -> None:
    """A figure that stays the same travels once."""
    import plotly.graph_objects as go

    heights = iter([1, 1, 2])
    updates = look(prometheus, lambda: go.Figure(go.Bar(y=[next(heights)])))
    updates.ask(0)
    updates.whole()
    updates.ask(1)
    assert updates.change() is None
    updates.ask(2)
    message = updates.change()
    assert message
    assert json.loads(message["parts"][0]["figure"])["data"][0]["y"] == [2]


def test_the_dashboard_has_every_panel_and_extends_its_lines(prometheus: Prometheus) -> None:
    """Each panel is a part of the page; a scrape later, the lines are longer and were not drawn again."""
    shown, page = dashboard_source(lambda: prometheus, 60), Page()
    updates = UpdateStream(shown)
    updates.ask(END)
    page.take(updates.whole())
    assert len(page.parts) == len(shown.places) == len(dashboard.panels())
    updates.ask(END + 15)
    page.take(updates.change())
    assert page.extended >= 1


def test_a_query_may_have_a_title_and_a_unit(prometheus: Prometheus) -> None:
    """On the page, and in the figure that is kept where nothing is live; without them, the query is the title."""
    titled = source("seen", lambda: prometheus, 1, 60, Caption("What was seen", "things"))
    assert titled.places[0]["title"] == "What was seen (things)"
    assert "What was seen" in titled.still().layout.title.text
    assert titled.still().layout.yaxis.title.text == "things"
    assert source("seen", lambda: prometheus, 1, 60).title == "seen"


def test_of_many_lines_the_highest_are_shown() -> None:
    """No more go to the browser than can be told apart, they grow as others do, and it is said how many are not."""
    history = History("pods", 1000, 60_000, MOST)
    lines = Lines([history], lambda: plot.line(history.frame()))

    def answer(at: int, **others: int) -> dict[str, Any]:
        values = {f"pod-{n}": n for n in range(3 * MOST)} | others
        series = [{"metric": {"pod": pod}, "values": [[at, str(value)]]} for pod, value in values.items()]
        return {"data": {"result": series}}

    history.take(answer(1), 1000)
    drawn = json.loads(lines.whole())
    assert [trace["name"] for trace in drawn["data"]] == [f"pod-{n}" for n in range(3 * MOST - 1, 2 * MOST - 1, -1)]
    assert f"and {2 * MOST} more" in drawn["layout"]["legend"]["title"]["text"]
    assert history.take(answer(2, **{"pod-59": 45}), 2000).same
    assert not history.take(answer(3, **{"pod-59": 0}), 3000).same
    assert "pod-59" not in lines.whole()


def test_marimo_gets_a_picture(prometheus: Prometheus) -> None:
    """By its own protocol: it runs no widget of a Jupyter kernel, and would show an empty frame."""
    shown = labkit.live("seen", prometheus=prometheus)._display_()._repr_html_()
    assert shown.startswith("<svg")
    assert "live in JupyterLab" in shown


def test_a_figure_that_is_closed_is_let_go(prometheus: Prometheus) -> None:
    """With all the points it holds: in a long session, cells are run many times."""
    figure = labkit.live("seen", prometheus=prometheus)
    kept = weakref.ref(figure)
    figure.close()
    del figure
    gc.collect()
    assert kept() is None
