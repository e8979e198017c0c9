"""An executed notebook as a page for readers: its prose, tables and figures, without the code that made them."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat
import plotly.io as pio
from nbconvert import HTMLExporter
from plotly.offline import get_plotlyjs

PLOTLY = "application/vnd.plotly.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
# A link to a file beside the notebook leads nowhere from a page that is passed on alone.
_NEARBY = re.compile(r'<a href="(?!https?:|mailto:|#)[^"]*"[^>]*>(.*?)</a>', re.DOTALL)
_EXERCISE = re.compile(r"^#+ Exercise\b", re.MULTILINE)
# The first is Jupyter Book's; the others are the course's own, and papermill's mark of a failure.
_HIDDEN = {"remove-cell", "exercise", "solution", "papermill-error-cell-tag"}

STYLE = """
:root { color-scheme: light }
body { font: 16px/1.55 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; color: #1f2933;
  background: #fff; max-width: 56rem; margin: 2.5rem auto; padding: 0 1.25rem }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem } h2 { margin-top: 2.4rem }
h1, h2, h3 { text-wrap: balance } .about { color: #6e7379; margin: 0 0 1.5rem }
.failure { border-left: 4px solid #d55e00; background: #fdf3ec; padding: .7rem 1rem; margin: 1.2rem 0 }
.failure pre { white-space: pre-wrap; margin: .5rem 0 0 }
table { border-collapse: collapse; border: 0; font-size: .9rem; margin: 1rem 0; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .3rem .9rem .3rem 0; border: 0; border-bottom: 1px solid #e4e7eb }
thead th { border-bottom: 2px solid #9aa5b1 } .given td { font-weight: 600 }
table.dataframe td, table.dataframe th { text-align: right } table.dataframe thead th { text-align: right }
pre, code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .88em }
pre { background: #f5f7fa; padding: .7rem .9rem; border-radius: .3rem; overflow-x: auto; white-space: pre-wrap }
.output { margin: 1rem 0 } .output pre { margin: 0 } img, svg { max-width: 100% } a { color: #0b5394 }
footer { margin-top: 3rem; padding-top: .8rem; border-top: 1px solid #e4e7eb; color: #6e7379; font-size: .85rem }
@media print { body { margin: 0; max-width: none; font-size: 11pt } .output, tr, .failure { break-inside: avoid }
  h1, h2, h3 { break-after: avoid } .modebar { display: none } pre { border: 1px solid #e4e7eb } }
"""


@dataclass(frozen=True)
class Row:
    """A parameter in the table; `given` is false for a default."""

    name: str
    value: str
    meaning: str
    given: bool


def page(notebook: Any, source: Path, rows: list[Row], when: datetime, failure: str) -> str:
    """Return the whole page of an executed notebook; `failure` says in a sentence why it ended early, if it did."""
    title = _title(notebook) or source.stem
    cells = _for_readers(notebook.cells)
    body = "\n".join(filter(None, (_cell(cell, source.parent) for cell in cells)))
    script = f"<script>{get_plotlyjs()}</script>" if 'class="plotly-graph-div"' in body else ""
    made = f"{when:%Y-%m-%d %H:%M} UTC"
    alert = f'<p class="failure"><strong>This run ended early.</strong> {html.escape(failure)}</p>' if failure else ""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style>{script}</head>\n<body><h1>{html.escape(title)}</h1>"
        f'<p class="about">Run on {made}</p>{alert}{_table(rows)}\n{body}\n'
        f"<footer>{html.escape(source.name)}, run by labkit on {made}.</footer></body></html>\n"
    )


def _title(notebook: Any) -> str:
    """Remove the first heading, which goes to the head of the page, and return its text."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (match := re.match(r"\s*# +(.+?)\s*(?:\n|$)", cell.source)):
            cell.source = cell.source[match.end() :]
            return match[1].replace("`", "").replace("*", "")
    return ""


def _for_readers(cells: list[Any]) -> list[Any]:
    """Leave out cells tagged as hidden, and the exercises: the question, the empty cell and the solution."""
    kept = [cell for cell in cells if not _HIDDEN & set(cell.metadata.get("tags", ()))]
    for cell in kept:
        if cell.cell_type == "markdown":
            # What is before the question closes the section above.
            cell.source = _EXERCISE.split(cell.source)[0]
    return kept


def _table(rows: list[Row]) -> str:
    if not rows:
        return ""
    lines = [
        f"<tr{' class=given' if row.given else ''}><td><code>{html.escape(row.name)}</code></td>"
        f"<td><code>{html.escape(row.value)}</code></td><td>{html.escape(row.meaning)}</td></tr>"
        for row in rows
    ]
    return f"<table><thead><tr><th>parameter<th>value<th>meaning</thead><tbody>{''.join(lines)}</tbody></table>"


def _cell(cell: Any, folder: Path) -> str:
    if cell.cell_type == "markdown":
        return _NEARBY.sub(r"\1", _rendered([cell], folder))
    # A cell meant to fail says on stderr how it fails.
    told = ("stdout", "stderr") if "raises-exception" in cell.metadata.get("tags", ()) else ("stdout",)
    return "".join(_output(output, folder, told) for output in cell.get("outputs", ()))


def _output(output: Any, folder: Path, told: Sequence[str]) -> str:
    """One output: a figure, an error in brief, or what nbconvert makes of it; progress and warnings are left out."""
    if output.output_type == "error":
        trace = html.escape(_ANSI.sub("", "\n".join(output.traceback)))
        told = html.escape(f"{output.ename}: {output.evalue}")
        return f'<div class="failure"><strong>{told}</strong><details><summary>Where</summary><pre>{trace}</pre></details></div>'  # noqa: E501  markup
    if output.output_type == "stream":
        printed = html.escape(_ANSI.sub("", output.text)) if output.name in told else ""
        return printed and f'<div class="output"><pre>{printed}</pre></div>'
    if PLOTLY in output.data:
        return f'<div class="output">{_figure(output.data[PLOTLY])}</div>'
    output.data.pop(WIDGET, None)  # it would load its script from a server; its static picture is beside it
    cell = nbformat.v4.new_code_cell(outputs=[output])
    return f'<div class="output">{_rendered([cell], folder)}</div>' if output.data else ""


def _figure(figure: dict[str, Any]) -> str:
    parts = {"data": figure["data"], "layout": figure["layout"]}
    config = {"responsive": True, "displaylogo": False, "displayModeBar": False}
    return str(pio.to_html(parts, include_plotlyjs=False, full_html=False, config=config, validate=False))


def _rendered(cells: list[Any], folder: Path) -> str:
    exporter = HTMLExporter(
        template_name="basic",
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
        embed_images=True,
    )
    notebook = nbformat.v4.new_notebook(cells=cells)
    text, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"path": str(folder)}})
    return str(text).strip()
