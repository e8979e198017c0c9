"""The names that users rely on, the rooms of the package, and what an import costs; pyproject.toml has its layers."""

import re
import subprocess
import sys
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


def test_importing_labkit_loads_nothing_heavy() -> None:
    """A notebook that only asks pays for no Redis client, and a program that records for no data frames or figures."""
    heavy = ("redis", "pandas", "plotly", "fastapi", "starlette", "prometheus_client", "typer", "supervisor")
    code = f"import labkit, sys; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
