"""What nbconvert makes of a notebook: every figure and panel is on the page, without a script from elsewhere."""

import re
from base64 import b64decode
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter, SlidesExporter
from nbconvert.exporters import Exporter

from tests.notebook.live.conftest import BEGIN
from tests.prometheus.prometheus_server import PrometheusServer

CELLS = (
    "live('prometheus_build_info')",
    "from labkit import plot\nplot.line(prometheus.query_range('prometheus_build_info', last='10s'), title='still')",
    "plot.bars(prometheus.query('prometheus_build_info'), title='bars')",
    "live(lambda: plot.bars(prometheus.query('prometheus_build_info'), title='drawn'))",
)


@pytest.fixture(scope="module")
def executed(server: PrometheusServer) -> Any:
    """A notebook with a figure in each of its cells but the first, as `nbconvert --execute` runs it."""
    cells = [nbformat.v4.new_code_cell(source) for source in (BEGIN.format(url=server.url), *CELLS)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    return NotebookClient(notebook, kernel_name="python3", timeout=120).execute()


@pytest.mark.parametrize("exporter", [HTMLExporter, SlidesExporter])
def test_no_figure_is_lost(executed: Any, exporter: type[Exporter]) -> None:
    """Each is there as a picture, with its title, and no place is left empty."""
    page = str(exporter().from_notebook_node(executed)[0])
    pictures = [b64decode(data).decode() for data in re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)]
    titles = [re.findall('aria-label="([^"]*)"', picture) for picture in pictures]
    assert titles == [["prometheus_build_info"], ["still"], ["bars"], ["drawn"]]


def test_pictures_keep_the_file_small(executed: Any) -> None:
    """None takes more than its share."""
    pictures = [output["data"]["image/svg+xml"] for cell in executed.cells[1:] for output in cell.outputs]
    assert len(pictures) == len(CELLS)
    assert max(map(len, pictures)) < 60_000
