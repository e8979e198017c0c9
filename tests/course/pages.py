"""What people read: pages of Markdown, and the Markdown of notebooks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat

from tests import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "notebooks").glob("*.md"))]

_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`[^`\n]*`")
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\]\([^)]*\))*\]\(([^)\s]+)\)")
_MARKS = re.compile(r"[^\w\- ]")


@dataclass(frozen=True)
class Cell:
    """A cell of a notebook, as the course uses it."""

    kind: str
    source: str
    tags: tuple[str, ...]
    hidden: bool

    @property
    def is_checkpoint(self) -> bool:
        """Say whether the cell checks what was just claimed."""
        return self.kind == "code" and self.source.startswith("# Checkpoint")


def cells(path: Path) -> list[Cell]:
    """Return the cells of a notebook, in order."""
    notebook = nbformat.read(path, as_version=4)
    return [
        Cell(
            cell.cell_type,
            cell.source,
            tuple(cell.metadata.get("tags", ())),
            bool(cell.metadata.get("jupyter", {}).get("source_hidden")),
        )
        for cell in notebook.cells
    ]


def text(path: Path) -> str:
    """Return a page's Markdown; of a notebook, that of all its Markdown cells."""
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    return "\n\n".join(cell.source for cell in cells(path) if cell.kind == "markdown")


def prose(markdown: str) -> str:
    """Return Markdown without what is code."""
    return _INLINE.sub("", _FENCE.sub("", markdown))


def links(markdown: str) -> list[str]:
    """Return where the links and pictures of a page lead, in order."""
    # A link whose words are code is still a link.
    return _LINK.findall(_FENCE.sub("", markdown))


def anchors(markdown: str) -> set[str]:
    """Return the anchors that headings make, as GitHub spells them."""
    found: dict[str, int] = {}
    return {_numbered(_slug(heading), found) for heading in headings(markdown)}


def headings(markdown: str) -> Iterator[str]:
    """Yield the headings of a page."""
    yield from _HEADING.findall(_FENCE.sub("", markdown))


def _slug(heading: str) -> str:
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return _MARKS.sub("", words.lower()).replace(" ", "-")


def _numbered(slug: str, found: dict[str, int]) -> str:
    found[slug] = found.get(slug, -1) + 1
    return f"{slug}-{found[slug]}" if found[slug] else slug
