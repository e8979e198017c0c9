"""The script of sixty minutes in docs/teaching.md: each section that it names is in that notebook, and shows that."""

import re
from pathlib import Path

import pytest

from tests import ROOT
from tests.course.pages import NOTEBOOKS, cells, text

SCRIPT = text(ROOT / "docs" / "teaching.md").partition("## Sixty minutes")[2].partition("\n## ")[0]
ROWS = {row[0]: row[1:] for row in re.findall(r"^\| (\d+)" + r" \| (.+?)" * 3 + r" \|$", SCRIPT, re.MULTILINE)}
LINK = re.compile(r"\[(\d\d)\]\(\.\./notebooks/([\w-]+\.ipynb)\)")
# The minute, what they see, where, and what makes it so; in the code of the notebook if its words are not enough.
SEEN = [
    ("8", "Every row equal", "3 · Compare with the truth", r"All of them, to the last one"),
    ("18", "Six figures, each with its finding as title", "4 · Plot it", r"(?:(?:--title \"|title=).*?){6}"),
    (
        "26",
        "A round trip costs thousands of appends",
        "2 · What does an increment cost?",
        r"a thousand\s+times, or more",
    ),
    ("26", "the retried value is 10", "4 · Break it: Redis hangs", r"retried\.inc\(10\).*By 10\."),
    ("48", "the line of `lab_events` has no gap", "4 · Poison", r"Neither has a gap"),
    ("48", "three keys are counted as skipped", "4 · Poison", r"three\s.*poisoned keys"),
    ("54", "one line stops and one goes on", "3 · Two kinds of quantile", r"which line goes on, and which one stops"),
]


def sections(notebook: Path) -> dict[str, str]:
    """The text of a notebook's cells, Markdown and code, by the heading above them."""
    whole = "\n".join(cell.source for cell in cells(notebook))
    parts = re.split(r"^## (.+)$", whole, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def notebook_of(minute: str) -> Path:
    """The notebook that a row names: by its link, or, as the row before does, by its number."""
    do = ROWS[minute][0]
    found = LINK.search(do)
    number = found[1] if found else re.findall(r"\b\d\d\b", do)[0]
    return next(path for path in NOTEBOOKS if path.name.startswith(number))


def named(minute: str) -> list[str]:
    """The sections that a row names: by number, by title, or as an exercise."""
    do = ROWS[minute][0]
    numbers = re.findall(r"\d+", re.sub(r".*?\bsections? ", "", do)) if "section" in do else []
    return [f"{number} · " for number in numbers] + re.findall(r"\*(.+?)\*", do) + _exercises(do)


def _exercises(do: str) -> list[str]:
    return [words.capitalize() for words in re.findall(r"exercise \d", do)]


def test_links_have_the_number_of_their_notebook() -> None:
    """[03] leads to the notebook whose name begins with 03."""
    links = LINK.findall(SCRIPT)
    assert links
    assert [(number, name) for number, name in links if not name.startswith(f"{number}-")] == []


@pytest.mark.parametrize("minute", ["8", "18", "26", "48", "54"])
def test_a_section_that_is_named_exists(minute: str) -> None:
    """The notebook has one with that number or title."""
    headings = sections(notebook_of(minute))
    assert named(minute)
    assert [name for name in named(minute) if not any(name in heading for heading in headings)] == []


@pytest.mark.parametrize(("minute", "words", "section", "shown"), SEEN)
def test_what_they_see_is_in_the_section(minute: str, words: str, section: str, shown: str) -> None:
    """The script says it, and a cell of the section that it names."""
    assert words in ROWS[minute][2], f"docs/teaching.md, minute {minute}, does not say: {words}"
    assert re.search(shown, sections(notebook_of(minute))[section], re.DOTALL)


def test_every_row_with_a_notebook_is_compared() -> None:
    """A row that is added must be looked at here, too."""
    with_notebook = {minute for minute, (do, *_) in ROWS.items() if LINK.search(do) or "of 00" in do}
    assert with_notebook == {minute for minute, *_ in SEEN}
