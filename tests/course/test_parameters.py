"""The page of parameters says of each notebook what papermill says."""

import ast
import re
from pathlib import Path

import papermill
import pytest

from tests import ROOT
from tests.course.pages import NOTEBOOKS, text

INDEX = text(ROOT / "notebooks" / "README.md")
_ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| `([^`]*)` \| (.+) \|$", re.MULTILINE)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_table_is_what_papermill_finds(path: Path) -> None:
    """Name, type, default and meaning, in the same order, and nothing else."""
    section = INDEX.split(f"\n### {path.stem}\n", 1)[1].split("\n#", 1)[0]
    found = papermill.inspect_notebook(str(path)).values()
    told = [(entry["name"], entry["inferred_type_name"], entry["default"], entry["help"]) for entry in found]
    assert _ROW.findall(section) == told


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_default_is_of_its_type(path: Path) -> None:
    """What a person copies from the table is what the notebook takes."""
    for entry in papermill.inspect_notebook(str(path)).values():
        assert type(ast.literal_eval(entry["default"])).__name__ == entry["inferred_type_name"], entry
