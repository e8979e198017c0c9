"""The notebooks as papermill runs them: with other parameters, all at once, leaving nothing running."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import papermill
import pytest

from harness.process import wait_until
from labkit import Stack
from labkit.cli import demo
from labkit.stack import processes
from labkit.stack.session import GRACE
from tests import ROOT
from tests.course.rerun import run_again

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
QUICK: dict[str, dict[str, object]] = {
    "00-start-here": {"rate": 10.0, "duration": 4.0, "customers": 5, "sidecar": "redis_exporter"},
    "01-record-and-batch": {"increments": 10_000},
    "02-redis": {"ttl": 900.0},
    "03-lua-and-the-sidecars": {"scrape_interval": 0.5},
    "04-query-and-plot": {"rate": 10.0, "duration": 4.0, "scrape_interval": 0.5},
}
PAPERMILL = (sys.executable, "-m", "papermill", "--no-progress-bar", "--execution-timeout", "120")

Runs = dict[str, subprocess.Popen[bytes]]
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home for the labs of all notebooks; even a failed test leaves nothing."""
    home = tmp_path_factory.mktemp("notebooks")
    yield home
    Stack.clear_all(home)


@pytest.fixture(scope="module")
def runs(home: Path) -> Iterator[Runs]:
    """All of them together, by name: nobody disturbs anybody's lab."""
    started = {path.stem: start(path, home) for path in NOTEBOOKS}
    yield started
    for run in started.values():
        run.kill()
        run.wait()


def start(path: Path, home: Path) -> subprocess.Popen[bytes]:
    """Run a notebook, and again and again in the same kernel, with the parameters on the command line."""
    nbformat.write(run_again(path), home / path.name)
    given = [word for name, value in QUICK[path.stem].items() for word in ("-p", name, str(value))]
    command = [*PAPERMILL, "--cwd", str(path.parent), *given, str(home / path.name), str(home / f"done-{path.name}")]
    with (home / f"{path.stem}.log").open("wb") as log:
        environment = os.environ | {"LABKIT_HOME": str(home), GRACE: "0"}
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


@pytest.mark.timeout(900)
@each_notebook
def test_a_notebook_runs_with_other_parameters(path: Path, home: Path, runs: Runs) -> None:
    """Every cell runs, then again backwards and forwards, then as with Run All; every checkpoint holds each time."""
    assert runs[path.stem].wait() == 0, (home / f"{path.stem}.log").read_text()


@pytest.mark.timeout(900)
def test_labs_end_with_their_notebooks(home: Path, runs: Runs) -> None:
    """No process of any lab is left."""
    for run in runs.values():
        run.wait()
    wait_until(lambda: processes.of_lab(home) == [], "The end of the labs")


@each_notebook
def test_every_parameter_is_typed_and_explained(path: Path) -> None:
    """papermill --help-notebook shows a type, a default and a help text for each."""
    parameters = papermill.inspect_notebook(str(path))
    assert parameters
    assert all(p["inferred_type_name"] != "None" and p["help"] for p in parameters.values()), parameters
    assert set(QUICK[path.stem]) <= set(parameters)


def test_the_demo_leaves_its_page_and_an_equal_table(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 0, every row equal, at least six figures, and nothing that needs a network."""
    monkeypatch.setenv("LABKIT_HOME", str(home))
    monkeypatch.setenv("PLOTLY_RENDERER", "whatever this user likes")
    assert demo.run(quick=True, out=tmp_path / "out") == 0
    # The number of rows varies: in so short a time, there may be nobody who leaves.
    assert re.search(r"^(1\d) of \1 rows equal", capsys.readouterr().out, re.MULTILINE)
    page = (tmp_path / "out" / "demo.html").read_text()
    executed = nbformat.read(tmp_path / "out" / "demo.ipynb", as_version=4)
    outputs = [output.get("data", {}) for cell in executed.cells for output in cell.get("outputs", [])]
    assert sum("application/vnd.plotly.v1+json" in data for data in outputs) >= 6
    assert page.count("Plotly.newPlot(") >= 6
    assert 'src="http' not in page
