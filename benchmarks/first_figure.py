"""How long does it take from `labkit lab` to the first live figure, if nothing was ever started before?

`python benchmarks/first_figure.py` starts JupyterLab by `labkit lab`, opens it in a Chromium, clicks the launcher's
tile "Start the lab", and prints when what is there, in the order in which a person waits for it. Each of five rounds
has a new folder for everything that is kept, and a browser without a cache; the median counts. What a first start
downloads (Valkey, Prometheus) is there already.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from playwright.sync_api import Browser, Page

from benchmarks._machine import describe, table, valkey
from benchmarks.live import chromium_running
from harness.process import Process, answers, free_port
from labkit import Stack

GOAL = 15  # s, from `labkit lab` to the first live figure, on two cores
PATIENCE = 240  # s

_TOKEN = token_hex()
_OWN = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "LABKIT_HOME")
_OF_JUPYTERLAB = ("JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")
_TILE = ".jp-LauncherCard:has-text('Start the lab')"
# What a page has to be for a step to be done.
_IN_THE_PAGE = {
    "the panel is drawn": "document.querySelector('.lk-path svg')",
    "each of its boxes has a number": """(() => {
        const numbers = [...document.querySelectorAll(".lk-path [data-stage] .lk-value")].map((box) => box.textContent);
        return numbers.length >= 4 && numbers.every((text) => /^[\\d,]+$/.test(text));
    })()""",
    "a live figure has a line": """[...document.querySelectorAll(".labkit-live .js-plotly-plot")].some((plot) =>
        plot.data?.some((line) => line.y?.length > 1 && plot.querySelector(".scatterlayer .js-line")))""",
}


@dataclass
class Watch:
    """When each step was done, in seconds since the start."""

    began: float = field(default_factory=perf_counter)
    steps: dict[str, float] = field(default_factory=dict)

    def done(self, step: str) -> None:
        self.steps[step] = perf_counter() - self.began


def measure(browser: Browser) -> dict[str, float]:
    """Start from nothing; return when each step was done."""
    with TemporaryDirectory() as folder:
        watch = Watch()
        with lab(Path(folder)) as url:
            watch.done("JupyterLab answers")
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            page.goto(f"{url}/lab?token={_TOKEN}")
            look(page, watch)
            page.context.close()
    return watch.steps


def look(page: Page, watch: Watch) -> None:
    """Do what a person does, and note when it can be seen."""
    page.locator(_TILE).click(timeout=PATIENCE * 1000)
    watch.done("the launcher's tile is clicked")
    for step, script in _IN_THE_PAGE.items():
        page.wait_for_function(f"() => {script}", timeout=PATIENCE * 1000)
        watch.done(step)


@contextmanager
def lab(folder: Path) -> Iterator[str]:
    """Run `labkit lab`, and yield its URL once it answers; all that it keeps is in `folder`."""
    port = free_port()
    own = {name: str(folder / name) for name in (*_OWN, *_OF_JUPYTERLAB)} | {"JUPYTER_TOKEN": _TOKEN}
    Path(own["LABKIT_HOME"]).mkdir()
    command = [sys.executable, "-m", "labkit", "lab", str(folder / "course"), "--no-browser", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    running = Process(command, folder / "log", lambda: answers(f"{url}/api", 200), own, timeout=PATIENCE)
    try:
        yield url
    finally:
        running.stop(timeout=60)
        Stack.clear_all(Path(own["LABKIT_HOME"]))


def rows(rounds: list[dict[str, float]]) -> list[list[str]]:
    """Return for each step its median, what it takes after the one before, and the extremes."""
    found, before = [], 0.0
    for step in rounds[0]:
        times = [steps[step] for steps in rounds]
        at = median(times)
        found.append([step, f"{at:.1f}", f"{at - before:.1f}", f"{min(times):.1f} to {max(times):.1f}"])
        before = at
    return found


def main() -> None:
    """Measure all rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round: only shows that it works")
    rounds = 1 if parser.parse_args().quick else 5
    with valkey() as server:
        print(describe(server, "jupyterlab", "ipykernel", "plotly", "playwright"))
    with chromium_running() as browser:
        measured = [measure(browser) for _ in range(rounds)]
    print(f"From `labkit lab` on, s; median of {rounds} rounds.\n")
    print(table(["", "after the start", "of that, this step", "least to most"], rows(measured)))
    print(f"Goal: a live figure has a line within {GOAL} s on two cores.")


if __name__ == "__main__":
    main()
