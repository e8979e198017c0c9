"""Where in a query the cursor is, and so what may stand there."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_letters, digits
from typing import Literal

from labkit.prometheus.promql import GROUPING, OPERATORS, Selector, Token, is_metric, selectors, tokens

Kind = Literal["nothing", "variable", "value", "label", "grouping", "window", "expression"]

VARIABLE_TYPED = re.compile(r"\{\{\s*(\w*)$")
_CLOSED = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|`[^`]*`", re.DOTALL)
_LETTERS = f"{ascii_letters}{digits}_:"
_OPENING = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True)
class CursorContext:
    """What is being typed: `fragment` is what of it is there already.

    kind: "value" of the `label` compared by `operator`, between `quote`s; "label" of a selector; "grouping", a label
        after by, on and the like; "window", a duration; "variable", after {{; "expression", where a metric or a
        function stands; "nothing", where nothing can be said.
    selectors: the series that are meant, as far as they are known.
    """

    kind: Kind
    fragment: str = ""
    selectors: tuple[Selector, ...] = ()
    label: str = ""
    operator: str = ""
    quote: str = ""


def cursor_context(query: str, cursor: int) -> CursorContext:
    """Return what is being typed in a query; `cursor` is the number of characters before it."""
    before = query[:cursor]
    pieces = tokens(before)
    last = pieces[-1] if pieces and pieces[-1].end == len(before) else None
    if last and last.kind == "comment":
        return CursorContext("nothing", _word(before))
    if variable := VARIABLE_TYPED.search(before):
        return CursorContext("variable", variable[1])
    if last and last.kind == "string":
        return CursorContext("nothing", _word(before)) if _CLOSED.fullmatch(last.text) else _in_string(before, pieces)
    typed = last.text if last and last.kind in {"word", "number"} else ""
    begun = len(before) - len(typed)
    return _after([piece for piece in pieces if piece.kind != "comment" and piece.end <= begun], query, typed)


def _after(pieces: Sequence[Token], query: str, typed: str) -> CursorContext:
    """The context of a word, or of nothing yet, after these tokens."""
    previous, bracket = pieces[-1].text if pieces else "", _open_bracket(pieces)
    opened = pieces[bracket].text if bracket >= 0 else ""
    if previous.lower() == "offset" or opened == "[":
        return CursorContext("window", typed)
    if typed[:1].isdigit() or (opened == "{" and previous not in {"{", ","}):
        return CursorContext("nothing", typed)
    if opened == "{":
        return CursorContext("label", typed, _selector(pieces, bracket))
    if bracket > 0 and pieces[bracket - 1].text.lower() in GROUPING:
        return CursorContext("grouping", typed, tuple(selectors(query)))
    return CursorContext("expression", typed)


def _in_string(before: str, pieces: Sequence[Token]) -> CursorContext:
    """The context in a string that is not closed yet: a label's value, or anything."""
    kept = [piece for piece in pieces if piece.kind != "comment"]
    bracket = _open_bracket(kept[:-1])
    if len(kept) < 4 or bracket < 0 or kept[bracket].text != "{" or kept[-2].text not in OPERATORS:
        return CursorContext("nothing", _word(before))
    label, operator, string = kept[-3:]
    fragment = before[string.start + 1 :]
    if operator.text in {"=~", "!~"}:
        fragment = re.split(r"(?<!\\)\|", fragment)[-1]
    series = _selector(kept[:-3], bracket)
    return CursorContext("value", fragment, series, label.text, operator.text, string.text[0])


def _word(text: str) -> str:
    return text[len(text.rstrip(_LETTERS)) :]


def _selector(pieces: Sequence[Token], bracket: int) -> tuple[Selector, ...]:
    """The selector whose `{` is at `bracket`, with the matchers that are written so far."""
    begin = bracket - 1 if bracket and is_metric(pieces[bracket - 1], "{") else bracket
    kept = selectors(" ".join(piece.text for piece in pieces[begin:]))[:1]
    # What a variable holds is not known while somebody types.
    return tuple(Selector(each.metric, tuple(one for one in each.matchers if "{{" not in one.value)) for each in kept)


def _open_bracket(pieces: Sequence[Token]) -> int:
    """The index of the innermost bracket that is open after these tokens, or -1."""
    opened: list[int] = []
    for index, piece in enumerate(pieces):
        if piece.text in _OPENING.values():
            opened.append(index)
        elif opened and pieces[opened[-1]].text == _OPENING.get(piece.text):
            opened.pop()
    return opened[-1] if opened else -1
