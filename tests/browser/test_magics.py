"""What the magics show in JupyterLab: tables, figures, and what went wrong."""

import re
from collections.abc import Iterator
from time import time

import pytest
from playwright.sync_api import expect

from harness.notebook_page import READY
from labkit import Prometheus, Stack
from labkit.plotting.series import MOST
from labkit.traffic.run import drive
from tests.browser.conftest import OpenNotebook

START = "import os\nos.environ['LABKIT_HOME'] = {home!r}\n%load_ext labkit"
FIGURE = "%%promql --last 30s --step 1s --unit events/s\nsum by (event) (\n  rate(user_events[5s])\n)"
HEAT = "%promql sum by (le) (rate(api_request_duration_ms_bucket[10s])) --last 10m --unit ms"
MANY = "%promql api_request_duration_ms_bucket --last 30s"
DAYS = "%promql vector(1) --last 3d"
LIVE_DAYS = "import labkit\nlabkit.live('vector(1)', last='3d', every='10m')"
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


def test_figures_read_well_whatever_is_asked(open_notebook: OpenNotebook, lab: Stack, errors: list[str]) -> None:
    """Buckets are a heat map, many series are the highest, and three days have their days, small figures too."""
    notebook = open_notebook(START.format(home=str(lab.home)), HEAT, MANY, DAYS, LIVE_DAYS)
    notebook.run_all()
    expect(notebook.output(1).locator(".hm image").first).to_be_attached(timeout=READY)
    notebook.photograph("magics-heat")
    expect(notebook.output(2)).to_contain_text("sum by (le) (rate(api_request_duration_ms_bucket[1m]))")
    expect(notebook.output(2).locator(".legendtitletext")).to_contain_text("more")
    expect(notebook.output(2).locator(".legendtext")).to_have_count(MOST)
    notebook.output(2).scroll_into_view_if_needed()
    notebook.photograph("magics-many")
    expect(notebook.output(3).locator(".xtick text").first).to_contain_text(re.compile(r"[A-Z][a-z]{2} \d"))
    notebook.output(4).scroll_into_view_if_needed()
    expect(notebook.output(4).locator(".xtick text").first).to_contain_text(re.compile(r"[A-Z][a-z]{2} \d\d:\d\d"))
    notebook.output(3).locator(".nsewdrag").hover()
    expect(notebook.output(3).locator(".hoverlayer")).to_contain_text(re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d"))
    notebook.photograph("magics-days")
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
