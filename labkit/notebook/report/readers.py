"""What of an executed notebook is for the reader of a report; tags of its cells say so.

```
report       a figure, a table or a text for readers; where no cell has this tag, all are
findings     prints the findings, a sentence in each line
remove-cell  not for readers, as in a Jupyter Book
```
"""

import re
from typing import Any

_EXERCISE = re.compile(r"^#+ Exercise\b", re.MULTILINE)
# The first is Jupyter Book's; the others are the course's own, papermill's mark of a failure, and its new values.
_HIDDEN = {"remove-cell", "exercise", "solution", "findings", "papermill-error-cell-tag", "injected-parameters"}


def tags(cell: Any) -> set[str]:
    """Return the tags of a cell."""
    return set(cell.metadata.get("tags", ()))


def title(notebook: Any) -> str:
    """Return the title in the notebook's metadata or else its first heading, which leaves its place; "" if none."""
    heading = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (match := re.match(r"\s*# +(.+?)\s*(?:\n|$)", cell.source)):
            cell.source = cell.source[match.end() :]
            heading = re.sub(r"[`*]", "", match[1])
            break
    return str(notebook.metadata.get("title", heading))


def findings(notebook: Any) -> list[str]:
    """Return what the cells tagged `findings` have printed, line by line."""
    outputs = [output for cell in notebook.cells if "findings" in tags(cell) for output in cell.get("outputs", ())]
    printed = "".join(output.text for output in outputs if output.get("name") == "stdout")
    return [line.strip() for line in printed.splitlines() if line.strip()]


def for_readers(notebook: Any) -> list[Any]:
    """Return the cells for readers, and any that failed; an exercise is left out, with its answers."""
    chosen = any("report" in tags(cell) for cell in notebook.cells)
    kept = [
        cell
        for cell in notebook.cells
        if _failed(cell) or (not _HIDDEN & tags(cell) and ("report" in tags(cell) or not chosen))
    ]
    for cell in kept:
        if cell.cell_type == "markdown":
            # What is before the question closes the section above.
            cell.source = _EXERCISE.split(cell.source)[0]
    return kept


def _failed(cell: Any) -> bool:
    meant = "raises-exception" in tags(cell)
    return not meant and any(output.output_type == "error" for output in cell.get("outputs", ()))
