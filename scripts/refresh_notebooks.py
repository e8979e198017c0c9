"""Run notebooks and keep the outputs that nbval compares: `python scripts/refresh_notebooks.py [NAME …]`.

Cells tagged `nbval-check-output` print the same every time; the outputs of all others are live, and not committed.
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def refresh(path: Path) -> None:
    """Execute one notebook and write it back with the outputs that are to be compared."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(path.parent)}}).execute()
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        cell.metadata.pop("execution", None)
        if "nbval-check-output" not in cell.metadata.get("tags", []):
            # nbval runs a cell without a count and compares nothing.
            cell.outputs, cell.execution_count = [], None
    notebook.metadata.language_info = {"name": "python"}
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["*"]
    for path in sorted({path for name in wanted for path in NOTEBOOKS.glob(f"{name}*.ipynb")}):
        sys.stdout.write(f"{path.name}\n")
        refresh(path)
