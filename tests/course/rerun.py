"""A notebook whose cells are run again, as people do: in another order, as long as its lab lives."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import nbformat

Order = Callable[[Sequence[Any]], Sequence[Any]]
_JOIN = """
import httpx
joined = [httpx.get(stack.urls["store"] + "/api/store/join", trust_env=False) for _ in range(7)]
"""
# What a student did in between, and left as it was; what comes later must not be disturbed.
_VISITS = {
    "00-start-here": f"{_JOIN}stack.start_traffic(3)",
    "01-record-and-batch": """
open_writers = [RedisMetricsService(stack.urls["redis"]) for _ in range(2)]
for writer in open_writers:
    writer.gauge("lab_connections", "Open connections.", shared="sum").set(7)
    writer.flush()
metrics.gauge("lab_rooms", "Without a label.").set(1)
metrics.flush()
""",
    "02-redis": 'server.delete("metrics:gauge:lab_by_hand"); server.rpush("metrics:gauge:lab_by_hand", 42)',
    "03-lua-and-the-sidecars": 'server.delete("metrics:counter:lab_poison")',
    "04-query-and-plot": _JOIN,
}


def backwards_and_forwards(cells: Sequence[Any]) -> Sequence[Any]:
    """Return every cell before those that it needs, and then after them."""
    return [*cells[::-1], *cells]


def once_more(path: Path, order: Order) -> Any:
    """Return the notebook, then what a student did, then its code cells again in this order, before the lab's end."""
    notebook = nbformat.read(path, as_version=4)
    *cells, end = notebook.cells
    start = next(place for place, cell in enumerate(cells) if "Stack.up(" in cell.source)
    again = [cell for cell in cells[start + 1 :] if cell.cell_type == "code"]
    visit = nbformat.v4.new_code_cell(_VISITS[path.stem])
    notebook.cells = [*cells, visit, *(_copy(cell, place) for place, cell in enumerate(order(again))), end]
    return notebook


def _copy(cell: Any, place: int) -> Any:
    twin = deepcopy(cell)
    twin.id = f"again-{place}"
    return twin
