"""A notebook whose cells are run again, as people do: in another order, as long as its lab lives; then with Run All."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import nbformat

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


def run_again(path: Path) -> Any:
    """Return the notebook, then what a student did, its cells backwards and forwards, and all of them anew."""
    notebook = nbformat.read(path, as_version=4)
    # Papermill puts its values after the parameters, once.
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and "parameters" not in _tags(cell)]
    start = next(place for place, cell in enumerate(code) if "Stack.up(" in cell.source)
    lesson = code[start + 1 :]
    visit = nbformat.v4.new_code_cell(_VISITS[path.stem])
    again = (*lesson[::-1], *lesson, *code)
    notebook.cells += [visit, *(_copy(cell, place) for place, cell in enumerate(again))]
    return notebook


def _copy(cell: Any, place: int) -> Any:
    twin = deepcopy(cell)
    twin.id = f"again-{place}"
    return twin


def _tags(cell: Any) -> Any:
    return cell.metadata.get("tags", ())
