"""An executed notebook as a page for readers: what was found, the figures that show it, and how it was measured.

nbconvert fills two templates: `cells.html.j2` has the cells, and `page.html.j2` the page around them.
"""

import re
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

import nbformat
from nbconvert import HTMLExporter
from plotly.offline import get_plotlyjs

from labkit.notebook.report.figures import figure
from labkit.notebook.report.parameters import Row
from labkit.notebook.report.provenance import provenance
from labkit.notebook.report.readers import findings, for_readers, title

_HERE = Path(__file__).parent
# From a page that is passed on alone, a link to a file beside the notebook or to a lab that has ended leads nowhere.
_DEAD = re.compile(
    r'<a\b[^>]*?href="(?!mailto:|#|https?://(?!127\.|localhost\b|(?:\[|%5B)::1))[^"]*"[^>]*>(.*?)</a>', re.DOTALL
)
# A number with what belongs to it: "18 of 18", "43 ms", "1,200".
_NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?(?: of \d[\d,]*)?(?: ?(?:ns|µs|ms|s|%)(?!\w))?")


def page(notebook: Any, source: Path, parameters: list[Row], when: datetime, failure: str) -> str:
    """Return the whole page of an executed notebook; `failure` says in a sentence why it ended early, if it did."""
    exporter = _exporter()
    frame = exporter.environment.get_template("page.html.j2")
    return str(
        frame.render(
            title=title(notebook) or source.stem,
            source=source.name,
            made=f"{when:%Y-%m-%d %H:%M} UTC",
            findings=findings(notebook),
            cells=_cells(exporter, notebook, source.parent),
            failure=failure,
            parameters=parameters,
            provenance=provenance(),
            style=(_HERE / "page.css").read_text(encoding="utf-8"),
            script=(_HERE / "page.js").read_text(encoding="utf-8"),
            plotly=get_plotlyjs,
        )
    )


def _exporter() -> HTMLExporter:
    return HTMLExporter(
        template_file=str(_HERE / "cells.html.j2"),
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
        embed_images=True,
        filters={"figure": figure, "strong_numbers": _strong_numbers},
    )


def _strong_numbers(text: str) -> str:
    return _NUMBER.sub(r"<strong>\g<0></strong>", escape(text, quote=False))


def _cells(exporter: HTMLExporter, notebook: Any, folder: Path) -> str:
    kept = nbformat.v4.new_notebook(cells=for_readers(notebook))
    text, _ = exporter.from_notebook_node(kept, resources={"metadata": {"path": str(folder)}})
    return _DEAD.sub(r"\1", str(text).strip())
