"""plotly's texts, with the few tags that they have, as SVG."""

import re
from html import escape, unescape

_TAGS = re.compile(r"(<[^>]*>)")
_BREAK = re.compile(r"<br\s*/?>")
_STYLE = re.compile(r"(color|font-size)\s*:\s*([^;\"']+)")
# Of a letter, in its own size: enough to know what fits beside what.
_WIDE = 0.56


def lines(text: str) -> list[str]:
    """Return the lines of a text."""
    return _BREAK.split(text) if text else []


def width(text: str, size: float) -> float:
    """Return about how wide the widest line of a text is."""
    return max((len(unescape(_TAGS.sub("", line))) for line in lines(text)), default=0) * size * _WIDE


def write(text: str, at: tuple[float, float], size: float = 12, anchor: str = "start", more: str = "") -> str:
    """Return a text whose first line stands `at` a place."""
    written = []
    for number, line in enumerate(lines(text)):
        place = f'x="{at[0]:.1f}" y="{at[1] + 1.3 * size * number:.1f}"'
        written.append(f'<text {place} font-size="{size:g}" text-anchor="{anchor}" {more}>{_spans(line)}</text>')
    return "".join(written)


def _spans(line: str) -> str:
    """The line with its tags as spans; everything else stays text, whatever it looks like."""
    spans, depth = "", 0
    for piece in _TAGS.split(line):
        if not piece.startswith("<"):
            spans += escape(unescape(piece))
        elif piece.startswith("</"):
            spans += "</tspan>" if depth else ""
            depth = max(0, depth - 1)
        else:
            spans, depth = f"{spans}<tspan{_look(piece)}>", depth + 1
    return spans + "</tspan>" * depth


def _look(tag: str) -> str:
    if tag.startswith(("<b>", "<b ", "<strong")):
        return ' font-weight="600"'
    names = {"color": "fill", "font-size": "font-size"}
    return "".join(f' {names[name]}="{escape(value.strip())}"' for name, value in _STYLE.findall(tag))
