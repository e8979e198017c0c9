"""A live figure as people have it before them: it grows while other cells run, and ends with its cell."""

import json
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from harness.notebook_page import READY, NotebookPage
from tests.browser.conftest import OpenNotebook
from tests.prometheus.prometheus_server import PrometheusServer

START = """import labkit, threading, time
prometheus = labkit.Prometheus({url!r})
def shown(): return labkit.live('rate(prometheus_tsdb_head_samples_appended_total[2s])', prometheus=prometheus)
def threads(): return sum(thread.name == 'labkit-live' for thread in threading.enumerate())
def settle(count):
    end = time.monotonic() + 30
    while threads() != count and time.monotonic() < end: time.sleep(0.1)
    print('threads:', threads())
"""
NEWEST = "document.querySelector('.labkit-live .js-plotly-plot')?.data?.[0]?.x.at(-1)"
SIZE = "JSON.stringify(window.jupyterapp.shell.currentWidget.content.model.toJSON()).length"
PICTURE = 'img[src*="labkit-still"]'
FITS = """() => {
    const plots = [...document.querySelectorAll(".labkit-live .lk-plot")];
    const sizes = plots.map((plot) => [plot.clientWidth, plot.clientHeight, plot.querySelector(".main-svg")]);
    const fits = ([width, height, svg]) => width && svg?.clientWidth === width && svg.clientHeight === height;
    const labels = [...document.querySelectorAll(".labkit-live .ytick text")];
    const left = (element) => element.getBoundingClientRect().left;
    const whole = (label) => left(label) >= left(label.closest(".lk-plot"));
    return plots.length === 2 && sizes.every(fits) && labels.length > 2 && labels.every(whole);
}"""
# Asked past the cells: one that waits would keep the kernel from hearing that nobody looks.
IDLE = """async () => {
    const { kernel } = window.behind.sessionContext.session;
    const { content } = await kernel.requestExecute({ code: "", user_expressions: { asking: "threads()" } }).done;
    return content.user_expressions.asking.data["text/plain"] === "0";
}"""
COLOUR = "getComputedStyle(document.querySelector('.labkit-live .xtick text')).fill"


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """A Prometheus that scrapes itself five times a second."""
    server = PrometheusServer(tmp_path_factory.mktemp("prometheus"), "# EOF\n")
    yield server
    server.close()


def newest(notebook: NotebookPage) -> Any:
    """Wait until the figure is drawn with a line; return the time of its last point."""
    notebook.page.wait_for_function(f"() => {NEWEST}", timeout=READY)
    return notebook.page.evaluate(NEWEST)


def test_it_grows_while_another_cell_runs(
    open_notebook: OpenNotebook, prometheus: PrometheusServer, errors: list[str]
) -> None:
    """New points come although the kernel is busy, the whole is drawn once, and the script came once for two."""
    notebook = open_notebook(START.format(url=prometheus.url), "shown()", "shown()", "time.sleep(600)")
    for cell in (0, 1, 2):
        notebook.run(cell)
    before = newest(notebook)
    notebook.cell(3).locator(".jp-InputArea-prompt").click()
    notebook.menu("Run", "Run Selected Cell and Do not Advance")
    notebook.page.wait_for_function(f"() => {NEWEST} >= {before + 4000}", timeout=READY)
    assert notebook.cell(3).locator(".jp-InputArea-prompt").inner_text() == "[*]:"
    scripts = "Reflect.ownKeys(globalThis).filter((key) => String(key).includes('labkit.live.plotly')).length"
    assert notebook.page.evaluate(scripts) == 1
    notebook.menu("Kernel", "Interrupt Kernel")
    expect(notebook.output(3)).to_contain_text("KeyboardInterrupt", timeout=READY)
    after = newest(notebook)
    notebook.page.wait_for_function(f"() => {NEWEST} > {after}", timeout=READY)
    assert errors == []


def test_it_ends_when_its_cell_is_run_again_or_cleared(
    open_notebook: OpenNotebook, prometheus: PrometheusServer, errors: list[str]
) -> None:
    """One figure works after a second run, none after its output is gone."""
    notebook = open_notebook(START.format(url=prometheus.url), "shown()", "settle(1)", "settle(0)")
    for cell in (0, 1, 2, 1):
        notebook.run(cell)
    newest(notebook)
    notebook.run(2)
    expect(notebook.output(2)).to_have_text("threads: 1")
    notebook.cell(1).locator(".jp-InputArea-prompt").click()
    notebook.menu("Edit", "Clear Cell Output")
    expect(notebook.page.locator(".labkit-live")).to_have_count(0)
    notebook.run(3)
    expect(notebook.output(3)).to_have_text("threads: 0")
    assert errors == []


def test_it_rests_and_goes_on_by_its_button_and_follows_the_theme(
    open_notebook: OpenNotebook, prometheus: PrometheusServer, errors: list[str]
) -> None:
    """The button is reached by the keyboard, the colours are those of the page, and the label tells the values."""
    notebook = open_notebook(START.format(url=prometheus.url), "shown()", "settle(0)")
    notebook.run(0)
    notebook.run(1)
    newest(notebook)
    root, button = notebook.page.locator(".labkit-live"), notebook.page.locator(".labkit-live .lk-button")
    root.focus()
    expect(root).to_have_attribute("aria-label", re.compile(r"Live figure: rate\(.+\)\. .*\d"))
    button.press("Enter")
    expect(button).to_have_text("▶ Go on")
    notebook.run(2)
    expect(notebook.output(2)).to_have_text("threads: 0")
    button.press("Enter")
    after = newest(notebook)
    notebook.page.wait_for_function(f"() => {NEWEST} > {after}", timeout=READY)
    notebook.photograph("live")
    notebook.page.locator(".labkit-live .lk-plot").hover()
    buttons, plot = (
        notebook.page.locator(f".labkit-live {part}").bounding_box() for part in (".modebar", ".cartesianlayer")
    )
    assert buttons and plot and buttons["y"] + buttons["height"] <= plot["y"]
    light = notebook.page.evaluate(COLOUR)
    notebook.menu("Settings", "Theme", "JupyterLab Dark")
    notebook.page.wait_for_function(f"() => {COLOUR} !== {light!r}", timeout=READY)
    assert errors == []


def test_it_says_that_prometheus_is_away_and_recovers(
    open_notebook: OpenNotebook, prometheus: PrometheusServer, errors: list[str]
) -> None:
    """While Prometheus hangs, the figure says so; afterwards it goes on, and has what came meanwhile."""
    notebook = open_notebook(START.format(url=prometheus.url), "shown()")
    notebook.run_all()
    before = newest(notebook)
    prometheus.process.send_signal(signal.SIGSTOP)
    try:
        notice = notebook.page.locator(".labkit-live .lk-notice")
        expect(notice).to_contain_text("has not answered for 5 s", timeout=READY)
    finally:
        prometheus.process.send_signal(signal.SIGCONT)
    expect(notice).to_be_empty(timeout=READY)
    notebook.page.wait_for_function(f"() => {NEWEST} > {before} + 5000", timeout=READY)
    assert errors == []


def test_it_says_that_its_kernel_has_ended_and_fits_its_cell(
    open_notebook: OpenNotebook, prometheus: PrometheusServer
) -> None:
    """After a restart the figures stand still, and say what to do; run one by one, they fill their cells.

    So they do when the page gets another size, also while an output is folded or a figure rests.
    """
    notebook = open_notebook(START.format(url=prometheus.url), "shown()", "shown()")
    notebook.run_all()
    newest(notebook)
    notebook.menu("Kernel", "Restart Kernel…")
    notebook.page.locator(".jp-Dialog").get_by_role("button", name="Confirm Kernel Restart").click()
    notice = notebook.page.locator(".labkit-live .lk-notice")
    expect(notice.first).to_contain_text("Run the cell again", timeout=READY)
    expect(notebook.page.locator(".labkit-live .lk-button").first).to_be_hidden()
    for cell in (0, 1, 2):
        notebook.run(cell)
    notebook.page.wait_for_function(FITS, timeout=READY)
    expect(notice.first).to_be_empty()
    notebook.menu("View", "Collapse All Outputs")
    expect(notebook.page.locator(".labkit-live").first).to_be_hidden()
    notebook.page.set_viewport_size({"width": 1100, "height": 1000})
    notebook.menu("View", "Expand All Outputs")
    notebook.page.wait_for_function(FITS, timeout=READY)
    for button in notebook.page.locator(".labkit-live .lk-button").all():
        button.press("Enter")
        expect(button).to_have_text("▶ Go on")
    notebook.page.set_viewport_size({"width": 1250, "height": 1000})
    notebook.page.wait_for_function(FITS, timeout=READY)


def test_it_rests_while_its_tab_is_hidden(
    open_notebook: OpenNotebook, prometheus: PrometheusServer, errors: list[str]
) -> None:
    """Behind another tab nothing is asked for; in front again it goes on, and fits the size that its cell has then."""
    notebook = open_notebook(START.format(url=prometheus.url), "shown()", "shown()")
    notebook.run_all()
    newest(notebook)
    notebook.page.evaluate("window.behind = window.jupyterapp.shell.currentWidget")
    notebook.menu("File", "New Launcher")
    notebook.page.wait_for_function(IDLE, timeout=READY)
    notebook.page.set_viewport_size({"width": 1100, "height": 1000})
    after = newest(notebook)
    notebook.page.evaluate("window.jupyterapp.shell.activateById(window.behind.id)")
    notebook.page.wait_for_function(f"() => {NEWEST} > {after}", timeout=READY)
    notebook.page.wait_for_function(FITS, timeout=READY)
    assert errors == []


def test_a_saved_notebook_holds_a_picture_and_no_script(
    open_notebook: OpenNotebook, prometheus: PrometheusServer
) -> None:
    """The file does not grow with time, also if it saves what widgets know; opened again, it shows the picture."""
    notebook = open_notebook(START.format(url=prometheus.url), "shown()")
    notebook.run_all()
    after = newest(notebook)
    expect(notebook.page.locator(PICTURE)).to_be_hidden()
    size = notebook.page.evaluate(SIZE)
    notebook.page.wait_for_function(f"() => {NEWEST} > {after} + 3000", timeout=READY)
    assert notebook.page.evaluate(SIZE) == size < 70_000
    pictures = [output["data"] for output in json.loads(notebook.save())["cells"][1]["outputs"]]
    assert sum("Live figure" not in data.get("image/svg+xml", "Live figure") for data in pictures) == 1
    for saves_widgets in (False, True):
        if saves_widgets:
            notebook.run_all()
            newest(notebook)
            notebook.menu("Settings", "Save Widget State Automatically")
            saved = notebook.save()
            assert '"version": ' in saved
            assert "application/vnd.jupyter.widget-state+json" in saved
            assert len(saved) < 150_000
        notebook.menu("Kernel", "Shut Down Kernel")
        expect(notebook.page.locator(".labkit-live .lk-notice")).to_contain_text("the kernel has ended", timeout=READY)
        notebook.reopen()
        expect(notebook.page.locator(PICTURE)).to_be_visible(timeout=READY)
        expect(notebook.output(1)).not_to_contain_text("model not found")
        expect(notebook.page.locator(".labkit-live .lk-button")).to_be_hidden()
        notebook.photograph(f"picture-{saves_widgets}")
