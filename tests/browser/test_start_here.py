"""The first thing that people do: open the first notebook and run all of it."""

import json

from playwright.sync_api import expect

from tests.browser.conftest import OpenNotebook
from tests.browser.jupyter import REPOSITORY

PLOTLY = "application/vnd.plotly.v1+json"


def test_notebook_00_runs_and_every_figure_is_drawn(open_notebook: OpenNotebook, errors: list[str]) -> None:
    """Run All: no cell fails, each figure of the file is on the page with its lines, and the console is quiet."""
    notebook = open_notebook(path=REPOSITORY / "notebooks" / "00-start-here.ipynb")
    notebook.run_all(timeout=150_000)
    cells = [cell for cell in json.loads(notebook.save())["cells"] if cell["cell_type"] == "code"]
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    figures = sum(PLOTLY in output.get("data", {}) for output in outputs)
    assert figures >= 6
    for index, cell in enumerate(cells):
        if any(PLOTLY in output.get("data", {}) for output in cell["outputs"]):
            notebook.cell(index).scroll_into_view_if_needed()
            expect(notebook.output(index).locator(".js-plotly-plot .main-svg").first).to_be_visible()
    notebook.photograph("notebook-00")
    assert errors == []
