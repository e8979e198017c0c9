"""The control panel as people have it before them: a slider, buttons by keyboard, and the path that follows."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, expect

from harness.notebook_page import READY, NotebookPage
from labkit import Prometheus, Stack
from tests.browser import picture
from tests.browser.conftest import OpenNotebook

START = "import os\nos.environ['LABKIT_HOME'] = {home!r}\nimport labkit\nlabkit.controls()"
RATE = "sum(rate(api_request_duration_ms_count[4s]))"
# JupyterLab asks the kernel for a thread of its own for widgets; what is pressed before waits for the running cell.
HEARD = """async () => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    await Promise.all([...kernel._comms.values()].map((comm) => comm.subshellStarted));
    return kernel._comms.size;
}"""
SCALE = """[...document.querySelectorAll(".lk-path svg")].filter((svg) => svg.clientWidth)
    .map((svg) => svg.clientWidth / svg.viewBox.baseVal.width).join()"""
NEWEST = "document.querySelector('.labkit-live .js-plotly-plot')?.data?.[0]?.y.at(-1)"

# What is said for some seconds only, a busy page may never paint.
LISTEN = """(notice) => {
    window.notices = [];
    new MutationObserver(() => window.notices.push(notice.textContent)).observe(notice, { childList: true });
}"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A lab of half-second intervals, without traffic."""
    with Stack.up(home=tmp_path_factory.mktemp("lab"), ports="auto", scrape_interval=0.5, flush_interval=0.5) as stack:
        yield stack


@pytest.fixture
def notebook(open_notebook: OpenNotebook, stack: Stack) -> NotebookPage:
    """A notebook that shows the panel, and has live figures to show: of the rate, and the dashboard."""
    figures = (f"labkit.live({RATE!r}, every=0.5, last='1m')", "labkit.live(labkit.dashboard, last='1m')")
    notebook = open_notebook(START.format(home=str(stack.home)), *figures)
    notebook.run(0)
    expect(stage(notebook, "redis")).to_have_attribute("data-state", "answering", timeout=READY)
    return notebook


def stage(notebook: NotebookPage, service: str) -> Locator:
    return notebook.output(0).locator(f".lk-path [data-stage={service}]")


def press(notebook: NotebookPage, fault: str, service: str) -> None:
    """Press a button as somebody does who has no mouse, and read that it is done."""
    button = notebook.output(0).get_by_role("button", name=f"{fault} {service}", exact=True)
    expect(button).to_have_attribute("aria-disabled", "false", timeout=READY)
    button.focus()
    expect(button).to_be_focused()
    notebook.output(0).locator(".lk-notice").last.evaluate(LISTEN)
    notebook.page.keyboard.press("Enter")
    done = f"{service.lower()}: {fault}: done"
    notebook.page.wait_for_function(f"() => window.notices.includes({done!r})", timeout=READY)


def test_the_plotted_rate_follows_the_slider(notebook: NotebookPage, stack: Stack, errors: list[str]) -> None:
    """Moved by its keys, up and back: real requests come, Prometheus measures them, and the figure shows it."""
    notebook.run(1)
    slider = notebook.output(0).get_by_role("slider")
    slider.focus()
    for _ in range(4):
        notebook.page.keyboard.press("PageUp")
    before = int(slider.input_value())
    notebook.page.keyboard.press("ArrowRight")
    assert int(slider.input_value()) == before + 1
    wanted = int(slider.input_value())
    assert wanted > 20
    notebook.page.wait_for_function(f"() => {NEWEST} > {wanted / 2}", timeout=READY)
    assert Prometheus(stack.urls["prometheus"]).query(RATE)["value"].item() > wanted / 2
    notebook.photograph("panel-traffic")
    take_the_dashboard(notebook)
    slider.focus()
    notebook.page.keyboard.press("Home")
    notebook.page.wait_for_function(f"() => {NEWEST} < 1", timeout=READY)
    assert errors == []


def take_the_dashboard(notebook: NotebookPage) -> None:
    """The README's picture: all its figures are drawn."""
    notebook.page.set_viewport_size({"width": 1400, "height": 2200})
    picture.grow()
    notebook.run(2)
    dashboard = notebook.output(2).locator(".labkit-live .lk-page")
    dashboard.scroll_into_view_if_needed()
    parts = dashboard.locator(".lk-plot").count()
    expect(dashboard.locator(".lk-plot.js-plotly-plot")).to_have_count(parts, timeout=READY)
    expect(dashboard).not_to_contain_text("no data yet", timeout=READY)
    picture.take("dashboard", dashboard, *dashboard.locator(":is(.lk-heading, .lk-title)").all())
    notebook.page.set_viewport_size({"width": 1400, "height": 1000})


def test_redis_is_paused_from_the_panel_and_its_stage_turns(
    notebook: NotebookPage, stack: Stack, errors: list[str]
) -> None:
    """By keyboard, there and back; the focus stays on the page's way, and the process really sleeps."""
    stack.start_traffic(rate=40)
    expect(stage(notebook, "prometheus").locator(".lk-value")).to_have_text(re.compile("[1-9]"), timeout=READY)
    press(notebook, "pause", "Redis")
    expect(stage(notebook, "redis")).to_have_attribute("data-state", "paused", timeout=READY)
    expect(stage(notebook, "redis")).to_contain_text("paused")
    assert {row.service: row.state for row in stack.status()}["redis"] == "paused"
    expect(notebook.output(0).get_by_text("Redis is paused.")).to_be_visible()
    take_the_panel(notebook)
    notebook.photograph("panel-paused")
    # At 150 % and more: no letter of the path is smaller than the panel's own.
    for width in (1250, 960, 760):
        notebook.page.set_viewport_size({"width": width, "height": 1000})
        notebook.page.wait_for_function(f"() => {SCALE} === '1'", timeout=READY)
    notebook.page.set_viewport_size({"width": 1400, "height": 1000})
    press(notebook, "resume", "Redis")
    expect(stage(notebook, "redis")).to_have_attribute("data-state", "answering", timeout=READY)
    stack.stop_traffic()
    assert errors == []


def take_the_panel(notebook: NotebookPage) -> None:
    """The manual's picture: the application knows that Redis is away, and the later stages have no value any more."""
    expect(stage(notebook, "store")).to_contain_text("tries Redis again", timeout=READY)
    for service in ("redis", "sidecar", "prometheus"):
        expect(stage(notebook, service)).to_contain_text("last seen", timeout=READY)
    expect(notebook.output(0).get_by_text("sent now: 40/s")).to_be_visible(timeout=READY)
    panel = notebook.output(0).locator(".lk-controls")
    picture.take("panel", panel, panel)


def test_the_panel_works_while_a_cell_runs(notebook: NotebookPage, stack: Stack) -> None:
    """A class may turn knobs during a long cell: what is asked is done, and the path goes on."""
    assert notebook.page.evaluate(HEARD)
    # Not even that thread hears anything before it has begun to listen.
    notebook.output(0).get_by_role("combobox").first.select_option("left")
    expect(notebook.output(0)).to_contain_text('user_events{event="left"}', timeout=READY)
    notebook.page.evaluate("window.jupyterapp.commands.execute('notebook:insert-cell-below')")
    notebook.cell(1).locator(".cm-content").fill("import time; time.sleep(600)")
    notebook.cell(1).locator(".jp-InputArea-prompt").click()
    notebook.menu("Run", "Run Selected Cell and Do not Advance")
    expect(notebook.cell(1).locator(".jp-InputArea-prompt")).to_have_text("[*]:")
    press(notebook, "kill", "Sidecar")
    expect(stage(notebook, "sidecar")).to_have_attribute("data-state", "dead", timeout=READY)
    press(notebook, "start", "Sidecar")
    expect(stage(notebook, "sidecar")).to_have_attribute("data-state", "answering", timeout=READY)
    notebook.menu("Kernel", "Interrupt Kernel")
    expect(notebook.output(1)).to_contain_text("KeyboardInterrupt", timeout=READY)
    notebook.menu("Kernel", "Shut Down Kernel")
    expect(notebook.output(0).locator(".lk-down")).to_contain_text("the kernel has ended", timeout=READY)
