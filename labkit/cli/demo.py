"""The demo, headless: run notebook 00, print the ledger beside Prometheus, leave a page with the plots."""

import re
from pathlib import Path

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from labkit.errors import LabkitError
from labkit.notebook.report import report

QUICK = {"rate": "20", "duration": "5", "customers": "10"}
_CELL_TIMEOUT = 120


def run(*, quick: bool = False, out: Path = Path("out")) -> int:
    """Run the demo and return the exit code: 0 if every row of the table is equal.

    Leaves in `out`: `demo.html`, a report whose figures need no network; `demo.ipynb`, the notebook as it ran;
    and `ledger.csv`, the table. `quick` sends less traffic.

    Raises:
        LabkitError: a cell of the notebook failed; the message is the cell's, and the page has what came before.
    """
    console = Console()
    given = {"report": str(out.resolve()), **(QUICK if quick else {})}
    page, executed = out / "demo.html", out / "demo.ipynb"
    out.mkdir(parents=True, exist_ok=True)
    written = report.run(report.find("00"), given.items(), page, executed=executed, timeout=_CELL_TIMEOUT)
    if written.failure:
        raise LabkitError(written.failure)
    rows = pd.read_csv(out / "ledger.csv")
    console.print(_table(rows))
    equal = bool(rows["equal"].all())
    console.print(f"{int(rows['equal'].sum())} of {len(rows)} rows equal. The plots: {page}")
    return 0 if equal else 1


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
