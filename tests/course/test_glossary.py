"""The glossary: every word of the field is explained there, and linked where a notebook uses it first."""

import re
from pathlib import Path

import pytest

from tests import ROOT
from tests.course.pages import NOTEBOOKS, headings, links, prose, text

GLOSSARY = text(ROOT / "notebooks" / "glossary.md")
TERMS = [heading for heading in headings(GLOSSARY) if heading != "Glossary"]

_LINKED = re.compile(r"\[[^\]]*\]\(([^)]*)\)")
_TITLE = re.compile(r"^#.*$", re.MULTILINE)


def _anchor(term: str) -> str:
    return term.lower().replace(" ", "-")


def _first_use(term: str, words: str) -> str | None:
    """Where the word that is used first leads to: "" if it is no link, None if it is not used."""
    use = re.compile(rf"(?<![\w/-]){term}(?:s|es|d|ed)?\b", re.IGNORECASE)
    spans = [(link.span(), link[1]) for link in _LINKED.finditer(words)]
    for match in use.finditer(words):
        target = next((target for (start, end), target in spans if start <= match.start() < end), "")
        # The name of another page may have the word in it.
        if not target.endswith((".ipynb", ".lua", ".md")) or target.startswith("glossary"):
            return target
    return None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_term_is_linked_where_it_is_used_first(path: Path) -> None:
    """Whoever meets a word for the first time in a notebook is one click away from what it means."""
    words = _TITLE.sub("", prose(text(path)))
    first = {term: _first_use(term, words) for term in TERMS}
    wrong = {term: where for term, where in first.items() if where not in (None, f"glossary.md#{_anchor(term)}")}
    assert wrong == {}


def test_each_term_is_used_in_the_course() -> None:
    """What no notebook links to is no word of the course."""
    linked = {target for path in NOTEBOOKS for target in links(text(path))}
    assert [term for term in TERMS if f"glossary.md#{_anchor(term)}" not in linked] == []


def test_terms_are_in_order_and_lead_back() -> None:
    """They stand in alphabetical order, and each names a notebook that uses it."""
    entries = re.split(r"^### .*$", GLOSSARY, flags=re.MULTILINE)[1:]
    assert sorted(TERMS, key=str.lower) == TERMS
    assert [term for term, entry in zip(TERMS, entries, strict=True) if not re.search(r"→ \[\d\d\]\(", entry)] == []
