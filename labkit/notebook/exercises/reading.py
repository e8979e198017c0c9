"""What a student hands in, read generously: a number is a number, be it in a table, an array or quotes."""

from collections.abc import Mapping, Sized
from math import isfinite
from typing import Any

import numpy as np
import pandas as pd

_VALUE = "value"
_LONGEST = 80  # characters of an answer that is repeated


class NotAnAnswer(Exception):
    """What was handed in cannot be the answer; the message says what it is."""


def number(answer: object, *, empty: str = "") -> float:
    """Return the number that is meant; `empty` adds why a table may have no rows.

    Raises:
        NotAnAnswer: there is none, or more than one.
    """
    value = _only(answer, _VALUE, empty)
    if isinstance(value, bool | np.bool_):
        raise NotAnAnswer(f"`{value}` says yes or no; the answer is a number.")
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        raise NotAnAnswer(f"{_shown(value)}; the answer is a number.") from None
    if not isfinite(found):
        raise NotAnAnswer(f"`{found}` is what a calculation without values gives. Was one of its parts empty?")
    return found


def text(answer: object, column: str = "") -> str:
    """Return the text that is meant; of a table with one row, that in its `column`.

    Raises:
        NotAnAnswer: there is none, or more than one.
    """
    value = _only(answer, column, "")
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if not isinstance(value, str):
        raise NotAnAnswer(f"{_shown(value)}; the answer is a text.")
    return value.strip()


def _only(answer: object, column: str, empty: str) -> Any:
    """What is meant, out of whatever wraps it: a result of %promql, a table, a series, an array, a list of one."""
    held = getattr(answer, "frame", answer)
    if isinstance(held, pd.DataFrame):
        held = held[column] if column in held else held.squeeze(axis="columns") if len(held) else []
    if isinstance(held, pd.Series | np.ndarray):
        held = held.tolist()
    if isinstance(held, pd.DataFrame | list | tuple | set):
        if isinstance(held, pd.DataFrame) or len(held) != 1:
            raise NotAnAnswer(_crowd(held, column, empty))
        return next(iter(held))
    return held


def _crowd(held: Sized, column: str, empty: str) -> str:
    if not len(held):
        return f"It is empty: there is no such thing in the lab. {empty}".strip()
    if isinstance(held, pd.DataFrame) and len(held) == 1:
        wanted = f", in a column `{column}`" if column else ""
        return f"It is a row of several columns; the answer is one of their entries{wanted}."
    return f"It has {len(held)} rows or entries; the answer is a single one."


def _shown(value: object) -> str:
    if value is None:
        return "It is `None`, nothing at all, as of a key or a row that is not there, or a call that returns nothing"
    if isinstance(value, type):
        return f"It is `{value.__name__}` itself, a class"
    if callable(value):
        return "It is a function that was not called: `()` is missing"
    if isinstance(value, Mapping):
        keys = ", ".join(f"`{key}`" for key in value)
        return f"It is a whole mapping, of {keys}" if keys else "It is an empty mapping"
    # In one line, and whole: what is long is named by what it is.
    text, kind = repr(value), type(value).__name__
    return f"It is `{text}`" if len(text) <= _LONGEST and text.isprintable() else f"It is a long `{kind}`"
