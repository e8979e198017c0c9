"""What the magics show in JupyterLab: tables, figures, and what went wrong."""

from collections.abc import Iterator
from time import time

import pytest
from playwright.sync_api import expect

from labkit import Prometheus, Stack
from labkit.store.traffic import drive
from tests.browser.conftest import OpenNotebook

START = "import os\nos.environ['LABKIT_HOME'] = {home!r}\n%load_ext labkit"
FIGURE = "%%promql --last 30s --step 1s --unit events/s\nsum by (event) (\n  rate(user_events[5s])\n)"
WRONG = "%%promql\nsum by (event) (\n  rate(user_events[20s]\n)"
LUA = "%%lua\nlocal meta = redis.call('HGETALL', 'metrics.meta')\nlocal wrong = meta.user_events.help\nreturn wrong"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A lab whose store had visitors for a while, in a home of its own."""
    home = tmp_path_factory.mktemp("lab")
    with Stack.up(home=home, ports="auto", scrape_interval=1, flush_interval=1) as stack:
        began = time()
        drive(stack.urls["store"], rate=30, duration=6)
        prometheus = Prometheus(stack.urls["prometheus"])
        prometheus.wait_until("user_events", lambda frame: len(frame) and frame["time"].max().timestamp() > began + 6)
        yield stack


def test_a_moment_is_a_table_and_a_time_is_a_figure(open_notebook: OpenNotebook, lab: Stack, errors: list[str]) -> None:
    """The query stands above each in colours, and both have every event."""
    cells = "%lab status", "%promql user_events", FIGURE
    notebook = open_notebook(START.format(home=str(lab.home)), *cells)
    notebook.run_all()
    expect(notebook.output(1).locator("table")).to_contain_text("answering")
    expect(notebook.output(2).locator("table")).to_contain_text("joined")
    expect(notebook.output(3).locator(".js-plotly-plot .legendtext").first).to_have_text("joined")
    expect(notebook.output(3).locator(".gtitle")).to_contain_text("sum by (event)")
    notebook.photograph("magics")
    assert errors == []


def test_what_is_wrong_is_explained(open_notebook: OpenNotebook, lab: Stack, errors: list[str]) -> None:
    """A mark stands under the place of a mistake, an empty answer has its reason, a failed script its line."""
    empty = '%promql user_events{event="joind"}'
    notebook = open_notebook(
        START.format(home=str(lab.home)), WRONG, empty, LUA, "%redis HGET metrics.meta user_events"
    )
    for index in range(5):
        notebook.run(index)
    expect(notebook.output(1)).to_contain_text("^")
    expect(notebook.output(2)).to_contain_text("Values of event: joined")
    expect(notebook.output(3)).to_contain_text("→   2")
    expect(notebook.output(4)).to_contain_text('"type": "counter"')
    notebook.photograph("magics-explain")
    assert errors == []
