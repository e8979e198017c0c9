"""The notebook runs against the lab, says what it should, and draws its figure."""

import json
from pathlib import Path

import papermill
import pytest

NOTEBOOK = Path(__file__).with_name("orders.ipynb")


@pytest.mark.usefixtures("labkit_stack")
@pytest.mark.parametrize("orders", [3, 10])
def test_the_notebook_runs(orders, tmp_path):
    """Its kernel finds the lab of the tests by itself: `Stack.attach()` looks for LABKIT_HOME, which is set."""
    done = tmp_path / "done.ipynb"
    options = {"execution_timeout": 60, "progress_bar": False, "cwd": NOTEBOOK.parent}
    papermill.execute_notebook(NOTEBOOK, done, parameters={"number": orders}, **options)
    shown = json.dumps([cell.get("outputs") for cell in json.loads(done.read_text())["cells"]])
    assert f"{orders} orders arrived" in shown
    assert "application/vnd.plotly.v1+json" in shown
