"""In a real kernel: when a live figure works, when it ends, and what is shown where nobody looks."""

import pytest

from harness.process import wait_until
from labkit.prometheus.query import Prometheus
from tests.notebook.live.conftest import Kernel
from tests.prometheus.prometheus_server import PrometheusServer

WIDGET = "application/vnd.jupyter.widget-view+json"
PLOTLY = "application/vnd.plotly.v1+json"
SVG = "image/svg+xml"
QUERY = "live('prometheus_build_info', every=0.2)"


def test_where_nobody_looks_it_is_a_figure(kernel: Kernel) -> None:
    """For papermill, nbval and nbconvert there is no widget, no thread and no plotly.js: just the figure."""
    shown = kernel.run(QUERY, cell="a", people=False)
    assert WIDGET not in shown
    assert shown[PLOTLY]["data"]
    assert "time (UTC)" in shown[SVG]
    assert "Live figure: prometheus_build_info" in shown["text/plain"]
    assert kernel.run("print(threads())")["text"] == "0\n"


def test_a_shown_figure_works_and_carries_its_picture(kernel: Kernel) -> None:
    """It has a thread while its cell shows it, and a picture goes into the file beside the widget."""
    shown = kernel.run(f"figure = {QUERY}\nfigure", cell="a")
    assert {WIDGET, SVG, "text/plain"} <= set(shown)
    assert "labkit-still" in shown[SVG]
    assert kernel.run("print(threads(), figure.working)")["text"] == "1 True\n"
    assert kernel.run("before = figure._updates._number; wait(lambda: figure._updates._number > before + 3)")[
        "text"
    ].endswith("so it is\n")


def test_running_the_cell_again_ends_the_figure_before(kernel: Kernel) -> None:
    """However often a cell runs, one figure works: the last."""
    for _ in range(3):
        kernel.run(QUERY, cell="a")
    kernel.run(QUERY, cell="b")
    assert kernel.run("wait(lambda: threads() == 2)")["text"] == "so it is\n"
    kernel.run("1", cell="a")
    kernel.run("1", cell="b")
    assert kernel.run("wait(lambda: threads() == 0)")["text"] == "so it is\n"


def test_a_figure_in_two_cells_ends_with_the_second(kernel: Kernel) -> None:
    """As long as one of the cells that show it stays as it is, it works."""
    kernel.run(f"figure = {QUERY}\nfigure", cell="a")
    kernel.run("figure", cell="b")
    kernel.run("1", cell="a")
    assert kernel.run("print(threads(), figure.working)")["text"] == "1 True\n"
    kernel.run("1", cell="b")
    assert kernel.run("wait(lambda: threads() == 0)")["text"] == "so it is\n"


def test_stop_start_and_close(kernel: Kernel) -> None:
    """`stop` ends the thread, `start` begins another, `close` is the end until it is shown again."""
    kernel.run(f"figure = {QUERY}\nfigure", cell="a")
    assert kernel.run("figure.stop(); wait(lambda: threads() == 0)")["text"] == "so it is\n"
    assert kernel.run("figure.start(); print(threads())")["text"] == "1\n"
    assert kernel.run("figure.close(); wait(lambda: threads() == 0)")["text"] == "so it is\n"
    assert WIDGET in kernel.run("figure", cell="b")
    assert kernel.run("print(threads())")["text"] == "1\n"


def test_it_says_why_nothing_comes_and_recovers(kernel: Kernel) -> None:
    """An error of what is shown is a notice; the thread lives, and the notice goes when it is over."""
    kernel.run("wrong = threading.Event(); import plotly.graph_objects as go")
    kernel.run("def drawn():\n    if wrong.is_set(): raise ValueError('no paint')\n    return go.Figure()")
    kernel.run("figure = live(drawn, every=0.1)\nfigure", cell="a")
    said = kernel.run("wrong.set(); wait(lambda: 'no paint' in figure.notice); print(figure.notice)")["text"]
    assert said == "so it is\ndrawn: ValueError('no paint')\n"
    assert kernel.run("wrong.clear(); wait(lambda: not figure.notice and threads() == 1)")["text"] == "so it is\n"


def test_views_that_are_gone_or_silent_end_it(kernel: Kernel) -> None:
    """A view that says farewell, and one that was not heard of for long: then nobody looks, and nobody works."""
    kernel.run(f"from labkit.notebook.live import viewers\nfigure = {QUERY}\nfigure", cell="a")
    kernel.run("tell = lambda what: figure._told(None, {'do': what, 'view': 'v', 'has': True}, None)\ntell('here')")
    assert kernel.run("tell('gone'); wait(lambda: threads() == 0)")["text"] == "so it is\n"
    # While a cell runs, a view cannot be heard, and is not forgotten.
    patience = "viewers.FORGOTTEN_AFTER = viewers.HEARD_AFTER = 0"
    assert kernel.run(f"{patience}; tell('here'); time.sleep(1); print(threads())")["text"] == "1\n"
    wait_until(lambda: kernel.run("print(threads())")["text"] == "0\n", "the end of the thread")


@pytest.mark.parametrize("renderer", ["png", "svg+pdf", "plotly_mimetype+png", "misspelt"])
def test_a_renderer_that_fails_costs_no_figure(prometheus: Prometheus, server: PrometheusServer, renderer: str) -> None:
    """PLOTLY_RENDERER may ask for what Kaleido would make, or for nothing that there is: it is live all the same."""
    kernel = Kernel(server, PLOTLY_RENDERER=renderer)
    try:
        assert {WIDGET, SVG} <= set(kernel.run(QUERY, cell="a"))
        assert {PLOTLY, SVG} <= set(kernel.run(QUERY, cell="b", people=False))
    finally:
        kernel.close()
