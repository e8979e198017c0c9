"""The main job, without a screen: run notebook 00, print ledger beside Prometheus, leave a page with the plots."""

import os
import re
from pathlib import Path

import nbformat
import pandas as pd
from nbconvert import HTMLExporter
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from labkit.errors import LabkitError
from labkit.execution import execute
from labkit.resources import resource

NOTEBOOK = "00-start-here.ipynb"
CELL_TIMEOUT = 120
# plotly and nbconvert each ask a server for MathJax, which no figure here needs.
_REMOTE_SCRIPT = re.compile(r'<script src="(?:https?://[^"]*)?"></script>')
QUICK: dict[str, object] = {"rate": 20.0, "duration": 5.0, "customers": 10}


def run(*, quick: bool = False, out: Path = Path("out")) -> int:
    """Run the demo and return the exit code: 0 if every row of the table is equal.

    Leaves in `out`: `demo.ipynb` (the notebook as it ran), `ledger.csv` (the table) and `demo.html`, a page of its own
    whose figures show without a network. `quick` sends less traffic.

    Raises:
        LabkitError: a cell of the notebook failed; the message is the cell's.
    """
    console = Console()
    out.mkdir(parents=True, exist_ok=True)
    executed = _execute(out, QUICK if quick else {})
    page = out / "demo.html"
    page.write_text(to_html(executed), encoding="utf-8")
    rows = pd.read_csv(out / "ledger.csv")
    console.print(_table(rows))
    equal = bool(rows["equal"].all())
    console.print(f"{int(rows['equal'].sum())} of {len(rows)} rows equal. The plots: {page}")
    return 0 if equal else 1


def to_html(notebook: Path) -> str:
    """Return an executed notebook as one HTML page, without its code, that needs nothing from the network."""
    exporter = HTMLExporter(  # type: ignore[no-untyped-call]  # upstream has no annotations
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        require_js_url="",
        jquery_url="",
        mathjax_url="",
        mermaid_js_url="",
    )
    body, _ = exporter.from_notebook_node(nbformat.read(notebook, as_version=4))  # type: ignore[no-untyped-call]  # the same
    return _REMOTE_SCRIPT.sub("", str(body))


def _execute(out: Path, parameters: dict[str, object]) -> Path:
    # The page carries plotly itself; a notebook of its own would not show the figures.
    os.environ["PLOTLY_RENDERER"] = "plotly_mimetype+notebook"
    executed = out / "demo.ipynb"
    given = {"report": str(out.resolve()), **parameters}
    if failure := execute(resource("notebooks", NOTEBOOK), executed, given, CELL_TIMEOUT):
        raise LabkitError(failure)
    return executed


def _table(rows: pd.DataFrame) -> Table:
    title = "What happened in the store, and what Prometheus says"
    table = Table("metric", "labels", title=title, box=SIMPLE_HEAD, padding=0, show_edge=False)
    for column in ("ledger", "Prometheus", ""):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows.itertuples():
        values = " ".join(re.findall(r'"([^"]*)"', str(row.labels)))
        mark = "[green]=[/green]" if row.equal else "[red]≠[/red]"
        table.add_row(str(row.metric), values, f"{row.ledger:g}", f"{row.prometheus:g}", mark)
    return table
