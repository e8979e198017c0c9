"""The first thing that people do: open the first notebook and run all of it."""

import json
from typing import Any

from playwright.sync_api import expect

from tests import ROOT
from tests.browser.conftest import OpenNotebook

PLOTLY = "application/vnd.plotly.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"


def is_figure(output: Any) -> bool:
    """Whether an output draws a figure, be it live or not."""
    data = output.get("data", {})
    return PLOTLY in data or (WIDGET in data and "".join(data["text/plain"]).startswith("Live figure"))


def test_notebook_00_runs_and_every_figure_is_drawn(open_notebook: OpenNotebook, errors: list[str]) -> None:
    """Run All: no cell fails, each figure of the file is on the page with its lines, and the console is quiet."""
    notebook = open_notebook(path=ROOT / "notebooks" / "00-start-here.ipynb")
    notebook.run_all(timeout=150_000)
    cells = [cell for cell in json.loads(notebook.save())["cells"] if cell["cell_type"] == "code"]
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    figures = sum(map(is_figure, outputs))
    assert figures >= 6
    for index, cell in enumerate(cells):
        if any(map(is_figure, cell["outputs"])):
            notebook.cell(index).scroll_into_view_if_needed()
            expect(notebook.output(index).locator(".js-plotly-plot .main-svg").first).to_be_visible()
    notebook.photograph("notebook-00")
    assert errors == []
