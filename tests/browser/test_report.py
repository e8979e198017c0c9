"""A report in a browser: on a telephone and on paper, nothing of it is cut."""

import json
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from playwright.sync_api import Page

from labkit import plot
from labkit.notebook.report import pages

TIMES = pd.date_range("2026-11-27", periods=9, freq="s", tz="UTC")
# What of a figure's text lies outside of the figure.
CUT = """() => [...document.querySelectorAll(".plotly-graph-div")].flatMap((figure) => {
    const box = figure.getBoundingClientRect();
    const isAside = (text) => text.left < box.left - 1 || text.right > box.right + 1;
    const isOut = (text) => isAside(text) || text.top < box.top - 1 || text.bottom > box.bottom + 1;
    const texts = [...figure.querySelectorAll("text")].filter((text) => text.getBoundingClientRect().width);
    const out = texts.filter((text) => isOut(text.getBoundingClientRect()));
    return out.map((text) => text.textContent);
})"""

PLOTLY = "application/vnd.plotly.v1+json"


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A page with the figures that need most room: long names on the left, and many names in a legend."""
    series = {
        f"/api/store/endpoint-{name}": pd.DataFrame({"time": TIMES, "metric": "requests", "value": 1.0})
        for name in "abcdef"
    }
    rows = pd.DataFrame({"ledger": [3.0, 1234.0], "prometheus": [3.0, 1233.0], "equal": [True, False]})
    rows["metric"] = "api_request_duration_ms_count"
    rows["labels"] = [f'endpoint="/api/store/look-{where}", method="GET"' for where in ("around", "ahead")]
    figures = [plot.compare(rows, title="One of two is equal"), plot.line(series, title="Each line has a name")]
    shown = [nbformat.v4.new_output("display_data", {PLOTLY: json.loads(figure.to_json())}) for figure in figures]
    cells = [nbformat.v4.new_code_cell(outputs=shown)]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"title": "A report"})
    (tmp_path / "report.html").write_text(pages.page(notebook, tmp_path / "n.ipynb", [], datetime.now(UTC), ""))
    return tmp_path / "report.html"


def test_nothing_is_cut_on_a_telephone_and_on_paper(page: Page, report: Path, errors: list[str]) -> None:
    """Names have room, legends lie below, the page does not scroll sideways, and what is folded is printed."""
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(report.as_uri())
    page.wait_for_function(f"({CUT})().length == 0")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator("details").evaluate("(folded) => folded.open") is False
    page.evaluate(f"() => addEventListener('beforeprint', () => (window.cut = ({CUT})()))")
    assert page.pdf().startswith(b"%PDF")
    assert page.evaluate("window.cut") == []
    assert page.locator("details").evaluate("(folded) => folded.open") is True
    assert errors == []
