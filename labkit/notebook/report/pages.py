"""An executed notebook as a page for readers: what was found, the figures that show it, and how it was measured."""

import html
import re
from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import nbformat
from nbconvert import HTMLExporter
from plotly.offline import get_plotlyjs

from labkit.notebook.report.figures import figure
from labkit.notebook.report.provenance import Row, provenance
from labkit.notebook.report.readers import findings, for_readers, tags, title

PLOTLY = "application/vnd.plotly.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
# From a page that is passed on alone, a link to a file beside the notebook or to a lab that has ended leads nowhere.
_DEAD = re.compile(
    r'<a\b[^>]*?href="(?!mailto:|#|https?://(?!127\.|localhost\b|(?:\[|%5B)::1))[^"]*"[^>]*>(.*?)</a>', re.DOTALL
)
# A number with what belongs to it: "18 of 18", "43 ms", "1,200".
_NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?(?: of \d[\d,]*)?(?: ?(?:ns|µs|ms|s|%)(?!\w))?")


def page(notebook: Any, source: Path, rows: list[Row], when: datetime, failure: str) -> str:
    """Return the whole page of an executed notebook; `failure` says in a sentence why it ended early, if it did."""
    heading = html.escape(title(notebook) or source.stem)
    body = "\n".join(filter(None, (_cell(cell, source.parent) for cell in for_readers(notebook))))
    made = f"{when:%Y-%m-%d %H:%M} UTC"
    alert = f'<p class="failure"><strong>This run ended early.</strong> {html.escape(failure)}</p>' if failure else ""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{heading}</title>'
        f"<style>{_ours('page.css')}</style>{_scripts(body)}</head>\n<body><h1>{heading}</h1>"
        f'<p class="about">Measured on {made}</p>{alert}{_findings(findings(notebook))}\n{body}\n'
        f"{provenance(rows, f'{source.name}, run by labkit on {made}.')}</body></html>\n"
    )


def _ours(name: str) -> str:
    return files("labkit.notebook.report").joinpath(name).read_text(encoding="utf-8")


def _scripts(body: str) -> str:
    plotly = f"<script>{get_plotlyjs()}</script>" if 'class="plotly-graph-div"' in body else ""
    return f"{plotly}<script>{_ours('page.js')}</script>"


def _findings(sentences: list[str]) -> str:
    items = "".join(f"<li>{_NUMBER.sub(_strong, html.escape(sentence, quote=False))}</li>" for sentence in sentences)
    return items and f'<ul class="findings">{items}</ul>'


def _strong(number: re.Match[str]) -> str:
    return f"<strong>{number[0]}</strong>"


def _cell(cell: Any, folder: Path) -> str:
    if cell.cell_type == "markdown":
        return _rendered([cell], folder)
    # A cell meant to fail says on stderr how it fails.
    told = ("stdout", "stderr") if "raises-exception" in tags(cell) else ("stdout",)
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
        return figure(output.data[PLOTLY])
    output.data.pop(WIDGET, None)  # it would load its script from a server; its static picture is beside it
    cell = nbformat.v4.new_code_cell(outputs=[output])
    return f'<div class="output">{_rendered([cell], folder)}</div>' if output.data else ""


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
    return _DEAD.sub(r"\1", str(text).strip())
