"""A table of texts, described once: HTML in a notebook, aligned in a shell, and `labkit.ui.terminal` prints it.

States have a mark beside the word and a color, and addresses are links.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple


class Look(NamedTuple):
    """How a state is shown: Okabe and Ito's colors in HTML, the terminal's own there."""

    mark: str
    color: str
    style: str


# The word is beside the mark, so that color is never the only difference.
LOOKS = {
    **dict.fromkeys(("answering", "ok"), Look("●", "#009E73", "green")),
    **dict.fromkeys(("silent", "paused", "warning"), Look("◐", "#E69F00", "yellow")),
    **dict.fromkeys(("dead", "missing"), Look("✕", "#D55E00", "red")),
}


class Html:
    """Something shown as HTML in a notebook, and as text elsewhere."""

    def __init__(self, html: str, text: str) -> None:
        self._html, self._text = html, text

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return self._text


class Table(Html):
    """A table of texts."""

    def __init__(self, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        self.heads, self.rows = tuple(heads), [tuple(row) for row in rows]
        super().__init__(_html(self.heads, self.rows), _aligned([self.heads, *self.rows]))


def _html(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th style='text-align:left'>{escape(name)}</th>" for name in heads)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(text: str) -> str:
    shown = escape(text)
    if look := LOOKS.get(text):
        mark = f'<span style="color:{look.color}">{look.mark}</span>'
        shown = f'<span style="white-space:nowrap">{mark} {shown}</span>'
    elif text.startswith(("http://", "https://")) and " " not in text:
        shown = f'<a href="{shown}" target="_blank" rel="noopener">{shown}</a>'
    return f"<td style='text-align:left'>{shown}</td>"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
