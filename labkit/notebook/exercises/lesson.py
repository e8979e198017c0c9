"""What a notebook of the course says itself: the solutions stand there, and nowhere else."""

import json
from functools import cache
from typing import Any

from labkit.resources import resource


@cache
def title(notebook: str) -> str:
    """Return the name of a notebook without its number, as its first heading has it: "Record and batch"."""
    heading = _source(_cells(notebook)[0]).splitlines()[0]
    return heading.partition(" · ")[2].partition(":")[0]


def solution(notebook: str, exercise: str) -> str:
    """Return the code that solves an exercise, as a student would write it."""
    call = f"check.solution.{exercise}("
    sources = [_source(cell) for cell in _cells(notebook) if "solution" in cell["metadata"].get("tags", ())]
    source = next(source for source in sources if call in source)
    return source.removeprefix("# Solution\n").replace("check.solution.", "check.")


@cache
def _cells(notebook: str) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(resource("notebooks", f"{notebook}.ipynb").read_text("utf-8"))["cells"]
    return cells


def _source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])
