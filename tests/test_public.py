"""The names that users rely on, the rooms of the package, and what an import costs; pyproject.toml has its layers."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import labkit

PACKAGE = Path(labkit.__file__).parent
README = (PACKAGE.parent / "README.md").read_text(encoding="utf-8")


def test_public_names_are_sorted_and_present() -> None:
    """Everything in `__all__` can be had, in alphabetical order."""
    assert list(labkit.__all__) == sorted(labkit.__all__)
    code = "import labkit; print([name for name in labkit.__all__ if not hasattr(labkit, name)])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("text", [labkit.__doc__, README], ids=["package", "README"])
def test_the_tree_is_drawn_as_it_is(text: str) -> None:
    """Where people look first, each room of the package is named, with what is in it, and no other."""
    tree = re.search(r"^labkit/\n((?: +\w+/ .*\n)+)", text, re.MULTILINE)
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert tree and set(re.findall(r"^ +(\w+)/", tree[1], re.MULTILINE)) == rooms


def test_modules_and_functions_stay_small() -> None:
    """No module has more than 350 lines, and no function more than 40, in Python as in the page's scripts."""
    files = [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.js")]
    assert [file.name for file in files if len(file.read_text().splitlines()) > 350] == []
    assert [name for file in PACKAGE.rglob("*.py") for name, lines in _functions(file) if lines > 40] == []


def _functions(file: Path) -> Iterator[tuple[str, int]]:
    """The functions of a file, and how many lines of code each has, without its signature and docstring."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[1 if ast.get_docstring(node) and len(node.body) > 1 else 0]
            yield f"{file.name}: {node.name}", (node.end_lineno or 0) - first.lineno + 1


def test_importing_labkit_loads_nothing_heavy() -> None:
    """A notebook that only asks pays for no Redis client, and a program that records for no data frames or figures."""
    heavy = ("redis", "pandas", "plotly", "fastapi", "starlette", "prometheus_client", "typer", "supervisor")
    code = f"import labkit, sys; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
