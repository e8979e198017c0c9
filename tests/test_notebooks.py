"""The notebooks as papermill runs them: with other parameters, top to bottom, leaving nothing running."""

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import papermill
import pytest
from jupyter_client.manager import start_new_kernel

from labkit import Stack, demo
from labkit.stack import processes
from tests.course.rerun import backwards_and_forwards, once_more

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
QUICK: dict[str, dict[str, object]] = {
    "00-start-here": {"rate": 10.0, "duration": 4.0, "customers": 5, "sidecar": "redis_exporter"},
    "01-record-and-batch": {"increments": 10_000},
    "02-redis": {"ttl": 900.0},
    "03-lua-and-the-sidecars": {"scrape_interval": 0.5},
    "04-query-and-plot": {"rate": 10.0, "duration": 4.0, "scrape_interval": 0.5},
}


@pytest.fixture
def lab_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home that kernels inherit, so that no test meets another one's lab; even a failed test leaves nothing."""
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path))
    yield tmp_path
    Stack.clear(tmp_path)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_with_other_parameters(path: Path, lab_home: Path) -> None:
    """Every cell runs, then all again, backwards and forwards; every checkpoint holds, and nothing is left running."""
    nbformat.write(once_more(path, backwards_and_forwards), lab_home / path.name)
    papermill.execute_notebook(
        str(lab_home / path.name),
        str(lab_home / "executed.ipynb"),
        parameters=QUICK[path.stem],
        progress_bar=False,
        execution_timeout=120,
        cwd=str(path.parent),
        extra_arguments=["--log-level=ERROR"],
    )
    assert processes.of_lab(lab_home) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_parameter_is_typed_and_explained(path: Path) -> None:
    """papermill --help-notebook shows a type, a default and a help text for each."""
    parameters = papermill.inspect_notebook(str(path))
    assert parameters
    assert all(p["inferred_type_name"] != "None" and p["help"] for p in parameters.values()), parameters
    assert set(QUICK[path.stem]) <= set(parameters)


def test_the_demo_leaves_its_page_and_an_equal_table(
    lab_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 0, every row equal, at least six figures, and nothing that needs a network."""
    monkeypatch.setenv("PLOTLY_RENDERER", "whatever this user likes")
    assert demo.run(quick=True, out=lab_home / "out") == 0
    # The number of rows varies: in so short a time, there may be nobody who leaves.
    assert re.search(r"^(1\d) of \1 rows equal", capsys.readouterr().out, re.MULTILINE)
    page = (lab_home / "out" / "demo.html").read_text()
    executed = nbformat.read(lab_home / "out" / "demo.ipynb", as_version=4)
    outputs = [output.get("data", {}) for cell in executed.cells for output in cell.get("outputs", [])]
    assert sum("application/vnd.plotly.v1+json" in data for data in outputs) >= 6
    assert page.count("Plotly.newPlot(") >= 6
    assert 'src="http' not in page


def test_a_killed_kernel_leaves_nothing_after_down(lab_home: Path) -> None:
    """The lab outlives the kernel that started it, and `down` ends every process of it."""
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        reply = client.execute_interactive("from labkit import Stack; Stack.up(ports='auto')", timeout=60)
        assert reply["content"]["status"] == "ok", reply["content"]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert len(processes.of_lab(lab_home)) >= 5
    Stack.attach().down()
    assert processes.of_lab(lab_home) == []
