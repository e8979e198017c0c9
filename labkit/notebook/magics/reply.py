"""What Redis replies, decoded and printed for people, and a Lua error with its line marked."""

import json
import re
from collections.abc import Mapping, Sequence
from pprint import pformat
from typing import Any

_LINE = re.compile(r"user_script:\s*(\d+)")
_OPENED = re.compile(r"\(to close '\w+' at line (\d+)\)")
_AROUND = 2
# Longer replies are cut when they are shown; `value` has all of them.
_MOST_LINES = 1000


class Reply:
    """One reply of Redis: `value` in Python's types, bytes decoded; shown indented, JSON too."""

    def __init__(self, raw: object) -> None:
        self.value = decoded(raw)

    def __repr__(self) -> str:
        lines = shown(self.value).split("\n")
        more = len(lines) - _MOST_LINES
        return "\n".join(lines if more <= 0 else [*lines[:_MOST_LINES], f"… and {more:,} more lines"])


def decoded(raw: object) -> Any:
    """Return a reply with all its bytes as text; bytes that are no UTF-8 show as `\\xff`."""
    if isinstance(raw, bytes):
        return raw.decode("utf-8", errors="backslashreplace")
    if isinstance(raw, Mapping):
        return {decoded(key): decoded(value) for key, value in raw.items()}
    if isinstance(raw, list | tuple | set):
        return [decoded(item) for item in raw]
    # An error inside an array: the others are still replies.
    return f"(error) {raw}" if isinstance(raw, Exception) else raw


def shown(value: object, depth: int = 0) -> str:
    """Return a decoded reply as text. Arrays and maps have one item a line; JSON in a text is indented."""
    if isinstance(value, str):
        return _json(value) if depth else _json(value, quoted=False)
    if value is None:
        return "(nothing)"
    if isinstance(value, Mapping):
        items = [(f"{_json(str(key))}:{_apart(item)}", item) for key, item in value.items()]
        return _items(items, 2, depth) or "(empty map)"
    if isinstance(value, Sequence):
        width = len(f"{len(value)}) ")
        items = [(f"{place}) ".rjust(width), item) for place, item in enumerate(value, 1)]
        return _items(items, width, depth) or "(empty array)"
    return pformat(value)


def _items(items: Sequence[tuple[str, object]], indent: int, depth: int) -> str:
    """One item a line, what it holds below it further to the right."""
    below = "\n" + " " * indent
    return "\n".join((label + shown(item, depth + 1)).replace("\n", below) for label, item in items)


def _apart(item: object) -> str:
    return "\n" if item and isinstance(item, Mapping | list) else " "


def _json(text: str, *, quoted: bool = True) -> str:
    plain = json.dumps(text, ensure_ascii=False) if quoted else text
    if not text.lstrip().startswith(("{", "[")):
        return plain
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return plain


def annotated(error: str, script: str) -> str:
    """Return the message of a script that failed, and below it the lines that the message names, marked."""
    message = re.sub(r"\s*script:(?: [0-9a-f]{40},)? on @user_script:\d+\.?$", "", error)
    lines, named = script.rstrip().split("\n"), _named(error, script)
    around = {n for place in named for n in range(place - _AROUND, place + _AROUND + 1) if 0 < n <= len(lines)}
    shown = [message]
    for n in sorted(around):
        shown += ["    ⋮"] if n - 1 not in around and len(shown) > 1 else []
        shown.append(f"{'→' if n in named else ' '} {n:3} │ {lines[n - 1]}")
    return "\n".join(shown)


def _named(error: str, script: str) -> set[int]:
    """The lines that a message names: where it failed, and where what is not closed was opened."""
    found, last = _LINE.search(error), len(script.rstrip().split("\n"))
    if not found or not 0 < int(found[1]) <= len(script.split("\n")):
        return set()
    # What is missing at the end is missing in the empty line after it.
    return {min(int(found[1]), last), *(int(opened) for opened in _OPENED.findall(error))}
