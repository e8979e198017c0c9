"""What does a live figure cost the kernel and the browser, beside drawing everything again each second?

`python benchmarks/live.py` starts a lab that scrapes each second, a JupyterLab and a Chromium, shows each side on a
page of its own for a while, and prints the processor time of the kernel and of all of Chromium's processes, in
percent of a core. It takes about five minutes. It also looks 3,600 times in a row, to see what stays in memory.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import sleep, time

import psutil
from playwright.sync_api import Browser, sync_playwright

from benchmarks._machine import describe, is_quick, table, valkey
from harness import chromium
from harness.jupyter import Jupyter
from harness.notebook_page import NotebookPage
from labkit import Prometheus, Stack
from labkit.notebook.live.sources import source
from labkit.notebook.live.update_stream import UpdateStream

GOAL = 5  # percent of a core
SETTLE = 8.0  # s: until a page is drawn and idle
FILL = 60.0  # s: until the lab has something to show
WINDOW = 120
SERIES = 10
# Ten lines that move, whatever the time; Prometheus computes them.
PROMQL = " or ".join(
    f'label_replace(sin(vector(time() / {7 + n})) + {n}, "line", "{n}", "", "")' for n in range(SERIES)
)

# The time of the last point of any live figure, 0 if there is none.
_NEWEST = """Math.max(0, ...[...document.querySelectorAll(".labkit-live .js-plotly-plot")]
    .flatMap((plot) => plot.data.map((trace) => trace.x.at(-1))).filter(Number.isFinite))"""
_START = "import labkit, time\nfrom IPython.display import clear_output, display\nfrom labkit import dashboard, plot\n"
_AGAIN = "while True:\n    clear_output(wait=True); display({figure}); time.sleep(max(0, 1 - time.time() % 1))"
_LINES = f"plot.line(prometheus.query_range(promql, '{WINDOW}s', '1s'))"
_PANELS = f"dashboard.overview(prometheus, '{WINDOW}s')"
SIDES = {
    "nothing live": _LINES,
    f"{SERIES} series, labkit.live": f"labkit.live(promql, prometheus=prometheus, last={WINDOW})",
    f"{SERIES} series, drawn again each second": _AGAIN.format(figure=_LINES),
    "dashboard, labkit.live": f"labkit.live(dashboard, prometheus=prometheus, last={WINDOW})",
    "dashboard, drawn again without rest": _AGAIN.format(figure=_PANELS),
}


@dataclass(frozen=True)
class Cost:
    """Percent of a core."""

    kernel: float
    browser: float

    def above(self, rest: "Cost") -> "Cost":
        """Return what it costs beyond a page on which nothing is live; at least 0.01, because it is divided by."""
        return Cost(max(0.01, self.kernel - rest.kernel), max(0.01, self.browser - rest.browser))


def measure(browser: Browser, cells: list[str], seconds: float) -> Cost:
    """Show the last of the cells; return what it costs while nobody does anything."""
    with TemporaryDirectory() as folder, Jupyter(Path(folder)) as jupyter:
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        notebook = NotebookPage(page, jupyter, jupyter.write("side.ipynb", cells))
        notebook.menu("Run", "Run All Cells")
        page.locator(".js-plotly-plot .main-svg").first.wait_for(timeout=60_000)
        page.mouse.move(2, 998)  # nobody points at the figure
        sleep(SETTLE)
        kernel, began, newest = [_kernel(jupyter)], time(), page.evaluate(_NEWEST)
        before = _used(kernel), _used(_browser())
        sleep(seconds)
        used, took = (_used(kernel) - before[0], _used(_browser()) - before[1]), time() - began
        # A figure that stood still would cost nothing.
        assert newest == 0 or page.evaluate(_NEWEST) > newest
        page.close()
    return Cost(*(100 * share / took for share in used))


def remembered(prometheus: Prometheus) -> float:
    """Return by how many MB the process grows while it looks 3,600 times, as in an hour, after the first 600."""
    updates, now = UpdateStream(source(PROMQL, lambda: prometheus, 1, WINDOW)), time() - 4200
    for second in range(4200):
        updates.ask(now + second)
        updates.change() if second else updates.whole()
        if second == 600:
            before = psutil.Process().memory_info().rss
    return (psutil.Process().memory_info().rss - before) / 2**20


@contextmanager
def chromium_running() -> Iterator[Browser]:
    """A Chromium without a window."""
    program, environment = chromium.find()
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=program, args=list(chromium.OPTIONS), env={**os.environ, **environment}
        )
        yield running
        running.close()


def _kernel(jupyter: Jupyter) -> psutil.Process:
    (found,) = (one for one in psutil.Process(jupyter.process.pid).children() if "ipykernel_launcher" in one.cmdline())
    return found


def _browser() -> list[psutil.Process]:
    return [one for one in psutil.Process().children(recursive=True) if "chrom" in one.name()]


def _used(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _row(name: str, cost: Cost, rest: Cost) -> list[str]:
    above = cost.above(rest)
    return [name, f"{cost.kernel:.1f}", f"{cost.browser:.1f}", f"{above.kernel:.1f}", f"{above.browser:.1f}"]


def _ratio(again: Cost, live: Cost, rest: Cost) -> list[str]:
    one, other = again.above(rest), live.above(rest)
    return [f"{one.kernel / other.kernel:.0f}×", f"{one.browser / other.browser:.0f}×"]


def main() -> None:
    """Measure all sides and print the tables."""
    quick = is_quick(__doc__, "two seconds per side")
    seconds = 2.0 if quick else 25.0
    with valkey() as server:
        print(describe(server, "plotly", "anywidget", "jupyterlab", "playwright"))
    with (
        TemporaryDirectory() as folder,
        Stack.up(ports="auto", scrape_interval=1, flush_interval=1, home=folder) as lab,
    ):
        lab.start_traffic(20)
        prometheus = Prometheus(lab.urls["prometheus"])
        prometheus.wait_until("rate(user_events[5s])")
        grown = remembered(prometheus)
        sleep(1 if quick else FILL)
        start = f"{_START}prometheus = labkit.Prometheus({lab.urls['prometheus']!r})\npromql = {PROMQL!r}"
        with chromium_running() as browser:
            costs = [measure(browser, [start, cell], seconds) for cell in SIDES.values()]
    rest = costs[0]
    print(f"Looks once a second at {WINDOW} s of history; {seconds:g} s per side.\n")
    header = ["percent of a core", "kernel", "browser", "kernel, above rest", "browser, above rest"]
    print(table(header, [_row(name, cost, rest) for name, cost in zip(SIDES, costs, strict=True)]))
    rows = [[f"{SERIES} series", *_ratio(costs[2], costs[1], rest)], ["dashboard", *_ratio(costs[4], costs[3], rest)]]
    print(table(["drawn again ÷ live, above rest", "kernel", "browser"], rows))
    print(f"3,600 looks in a row: the process grows by {grown:.1f} MB.")
    print(f"Goal: {SERIES} series take less than {GOAL} % of a core, in the kernel and in the browser each.")


if __name__ == "__main__":
    main()
