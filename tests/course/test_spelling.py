"""What people read is spelled as it should be."""

import subprocess
import sys
from pathlib import Path

from tests import ROOT
from tests.course.pages import NOTEBOOKS, PAGES, text

# Names of libraries that look like mistakes, in lower case.
NAMES = "simpy,asend"
# A dictionary that would turn British into American English is not among these.
DICTIONARIES = "clear,rare,informal"


def _complaints(*paths: Path) -> str:
    command = [sys.executable, "-m", "codespell_lib", "--builtin", DICTIONARIES, "--ignore-words-list", NAMES]
    done = subprocess.run([*command, *map(str, paths)], capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    return done.stdout


def test_the_pages_and_the_sources_are_spelled_well() -> None:
    """README, docs, the course's pages, and the comments, docstrings and messages of the package."""
    assert _complaints(*PAGES, ROOT / "labkit", ROOT / "lua", ROOT / "CHANGELOG.md") == ""


def test_the_notebooks_are_spelled_well(tmp_path: Path) -> None:
    """The words of each notebook, without its JSON."""
    copies = [tmp_path / f"{path.stem}.md" for path in NOTEBOOKS]
    for path, copy in zip(NOTEBOOKS, copies, strict=True):
        copy.write_text(text(path), encoding="utf-8")
    assert _complaints(*copies) == ""


def test_a_mistake_is_found_and_british_english_is_none(tmp_path: Path) -> None:
    """The check itself sees a misspelling, and leaves colours and behaviour alone."""
    page = tmp_path / "page.md"
    page.write_text("The colour and the behaviour of a recieved line.\n", encoding="utf-8")
    assert [line.split(": ", 1)[1] for line in _complaints(page).splitlines()] == ["recieved ==> received"]
