"""A table of texts, as a notebook shows it: states with a mark beside the word, addresses as links."""

from collections.abc import Iterable, Sequence
from html import escape

# Okabe and Ito's colors; the word is beside the mark, so that color is never the only difference.
_MARKS = {
    **dict.fromkeys(("answering", "ok"), ("●", "#009E73")),
    **dict.fromkeys(("silent", "paused", "warning"), ("◐", "#E69F00")),
    **dict.fromkeys(("dead", "missing"), ("✕", "#D55E00")),
}


class Html:
    """Something shown as HTML in a notebook, and as text elsewhere."""

    def __init__(self, html: str, text: str) -> None:
        self._html, self._text = html, text

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return self._text


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Html:
    """Return a table of texts: states get a mark beside the word, and URLs are links."""
    kept = [tuple(row) for row in rows]
    head = "".join(f"<th style='text-align:left'>{escape(name)}</th>" for name in heads)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in kept)
    html = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return Html(html, _aligned([tuple(heads), *kept]))


def _cell(text: str) -> str:
    shown = escape(text)
    if text in _MARKS:
        mark, colour = _MARKS[text]
        shown = f'<span style="white-space:nowrap"><span style="color:{colour}">{mark}</span> {shown}</span>'
    elif text.startswith(("http://", "https://")) and " " not in text:
        shown = f'<a href="{shown}" target="_blank" rel="noopener">{shown}</a>'
    return f"<td style='text-align:left'>{shown}</td>"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
