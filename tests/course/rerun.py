"""A notebook whose cells are run again, as people do: in another order, as long as its lab lives."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import nbformat

Order = Callable[[Sequence[Any]], Sequence[Any]]
# What somebody did in between, by hand: customers who have come, and stay.
_VISIT = """
import httpx
joined = [httpx.get(stack.urls["store"] + "/api/store/join", trust_env=False) for _ in range(7)]
"""


def backwards_and_forwards(cells: Sequence[Any]) -> Sequence[Any]:
    """Return every cell before those that it needs, and then after them."""
    return [*cells[::-1], *cells]


def once_more(path: Path, order: Order) -> Any:
    """Return the notebook with its code cells a second time in this order, between its start and the lab's end."""
    notebook = nbformat.read(path, as_version=4)
    *cells, end = notebook.cells
    start = next(place for place, cell in enumerate(cells) if "Stack.up(" in cell.source)
    again = [cell for cell in cells[start + 1 :] if cell.cell_type == "code"]
    visit = nbformat.v4.new_code_cell(_VISIT)
    notebook.cells = [*cells, visit, *(_copy(cell, place) for place, cell in enumerate(order(again))), end]
    return notebook


def _copy(cell: Any, place: int) -> Any:
    twin = deepcopy(cell)
    twin.id = f"again-{place}"
    return twin
