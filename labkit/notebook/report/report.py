"""A notebook as a report: run it with parameters, and leave one page that reads well without its code.

The page needs nothing from the network: it carries plotly and its own style, light and fit for printing.
"""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import nbformat

from labkit.errors import LabkitError
from labkit.notebook.report.execution import execute
from labkit.notebook.report.pages import page
from labkit.notebook.report.parameters import checked, declared, rows
from labkit.resources import resource


@dataclass(frozen=True)
class Report:
    """What was written, and what went wrong: `failure` is empty, or names the cell and its error."""

    output: Path
    failure: str


def find(notebook: str) -> Path:
    """Return the path of a notebook, or of the one of labkit's own that has this name.

    Raises:
        LabkitError: there is neither.
    """
    path = Path(notebook)
    if path.is_file():
        return path
    own = sorted(resource("notebooks").glob("*.ipynb"))
    named = next((item for item in own if notebook in (item.name, item.stem, item.stem.partition("-")[0])), None)
    if named is None:
        raise LabkitError(f"{notebook} is neither a file nor one of {', '.join(item.stem for item in own)}.")
    return named


def run(
    notebook: Path,
    given: Iterable[tuple[str, str]] = (),
    output: Path | None = None,
    *,
    executed: Path | None = None,
    timeout: float = 600.0,
) -> Report:
    """Execute `notebook` and write the page, even when a cell fails: then with all that came before.

    Args:
        notebook: its cell tagged `parameters` declares what can be given.
        given: names and values, as text; each is checked against its declaration before anything runs.
        output: the page; by default `out/NAME.html`.
        executed: where to leave the notebook as it ran; by default it is not kept.
        timeout: seconds that one cell may take.

    Raises:
        LabkitError: a parameter is unknown or does not fit, or the page cannot be written.
    """
    parameters = declared(notebook)
    values = checked(parameters, given)
    target = output or Path("out") / f"{notebook.stem}.html"
    with tempfile.TemporaryDirectory(prefix="labkit-report-") as folder:
        kept = executed or Path(folder, notebook.name)
        failure = execute(notebook, kept, values, timeout)
        ran = nbformat.read(kept, as_version=4)
    _write(target, page(ran, notebook, rows(parameters, values), datetime.now(UTC), failure))
    return Report(target, failure)


def _write(target: Path, text: str) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise LabkitError(f"The page cannot be written: {error}") from None
