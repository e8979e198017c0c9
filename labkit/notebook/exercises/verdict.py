"""What a check says of an answer."""

import re
from dataclasses import dataclass
from html import escape

from labkit.ui.tables import Html

# Okabe and Ito's colors, as everywhere in labkit; the mark is beside them, so that color is never the only difference.
_LOOKS = {True: ("✔ ", "#009E73"), False: ("✘ ", "#D55E00"), None: ("", "#0072B2")}
_STYLE = "padding:.1em .9em;margin:.4em 0;max-width:60em;line-height:1.5;overflow-wrap:anywhere"
_CODE, _STRESSED = re.compile(r"`([^`]+)`"), re.compile(r"\*([^*\s][^*]*)\*")


@dataclass(frozen=True)
class Verdict:
    """Whether an answer is right, and the sentence that says why, or what it is instead."""

    right: bool
    text: str


def right(text: str) -> Verdict:
    """Return that an answer is right, and why."""
    return Verdict(True, text)


def wrong(text: str) -> Verdict:
    """Return that an answer is wrong, and what it is instead."""
    return Verdict(False, text)


def plain(value: float) -> str:
    """Return a number as a person writes it: 143, not 143.0."""
    return f"{value:.10g}"


def box(outcome: bool | None, *paragraphs: str) -> Html:
    """Return paragraphs, in which `code` and *stress* are marked, beside a bar; an `outcome` of None is neither."""
    mark, color = _LOOKS[outcome]
    first, *others = filter(None, paragraphs)
    lines = [f'<b style="color:{color}">{mark}</b>{_marked(first)}', *map(_marked, others)]
    body = "".join(f'<div style="margin:.15em 0">{line}</div>' for line in lines)
    return Html(
        f'<div style="border-left:4px solid {color};{_STYLE}">{body}</div>', "\n".join((f"{mark}{first}", *others))
    )


def code(source: str) -> Html:
    """Return lines of code, to be read and copied."""
    return Html(f'<pre style="margin:.4em 0 .4em 1.2em">{escape(source)}</pre>', source)


def _marked(text: str) -> str:
    return _STRESSED.sub(r"<em>\1</em>", _CODE.sub(_as_code, escape(text, quote=False)))


def _as_code(match: re.Match[str]) -> str:
    # A star in code, as in PromQL's arithmetic, stresses nothing.
    return f"<code>{match[1].replace('*', '&#42;')}</code>"
