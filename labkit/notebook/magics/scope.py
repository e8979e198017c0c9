"""What a name means where a magic is called: the variable that Python would find there, or an error.

A magic's line is text, so Python does not see that a function uses a variable that is named in it. To take a global of
the same name instead, silently, would give a wrong answer that looks right.
"""

import ast
import inspect
import linecache
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from types import CodeType, FrameType
from typing import Any

from labkit.errors import QueryError

# Whose frames are between a magic and the cell or the function that calls it.
_BETWEEN = ("labkit.notebook.magics.", "IPython.core.interactiveshell")


class Scope(Mapping[str, object]):
    """The variables at the place of a frame: its own, those of the functions around it, globals, the notebook's.

    A name that Python would find unbound, or that only a function around knows which has not handed it on, is a
    QueryError.
    """

    def __init__(self, frame: FrameType, notebook: Mapping[str, Any]) -> None:
        self._levels = list(_levels(frame))
        self._rest = dict(notebook) | frame.f_globals

    def __getitem__(self, name: str) -> object:
        for level in self._levels:
            if name in level.values:
                return level.values[name]
            if name in level.names:
                raise QueryError(_unknown(name, level.function, self._levels[0].function))
        return self._rest[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(chain(*(level.values for level in self._levels), self._rest)))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def caller_scope(notebook: Mapping[str, Any]) -> Scope:
    """Return what names mean in the cell or the function that called the magic which calls this."""
    frame = next(each for each in _frames(sys._getframe()) if not _is_between(each))
    return Scope(frame, notebook)


@dataclass(frozen=True)
class _Level:
    """One function: the names that it binds, and those of them that have a value which can be seen from here."""

    function: str
    names: frozenset[str]
    values: Mapping[str, object]


def _levels(frame: FrameType) -> Iterator[_Level]:
    """The function of a frame, and those around it, from the inside to the outside."""
    code: CodeType | None = frame.f_code
    yield _level(frame.f_code, frame.f_locals)
    while code and "<locals>" in code.co_qualname:
        around = next((each for each in _frames(frame) if _contains(each.f_code, code)), None)
        frame, code = around or frame, around.f_code if around else _around(code)
        # The names of a class are none of its methods'.
        if code and code.co_flags & inspect.CO_OPTIMIZED:
            yield _level(code, around.f_locals if around else {})


def _level(code: CodeType, values: Mapping[str, object]) -> _Level:
    return _Level(code.co_name, frozenset({*code.co_varnames, *code.co_cellvars, *code.co_freevars}), values)


def _around(code: CodeType) -> CodeType | None:
    """The function around one, from the source: what does not run any more is on no stack."""
    source = "".join(linecache.getlines(code.co_filename))
    try:
        whole = compile(source, code.co_filename, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError):
        return None
    return next((each for each in _all_in(whole) if _contains(each, code)), None)


def _all_in(code: CodeType) -> Iterator[CodeType]:
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _all_in(inner)


def _contains(outer: CodeType, code: CodeType) -> bool:
    consts = (each for each in outer.co_consts if isinstance(each, CodeType))
    return any(_location(each) == _location(code) for each in consts)


def _location(code: CodeType) -> tuple[str, str, int]:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame:
        yield frame
        frame = frame.f_back


def _is_between(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith(_BETWEEN)


def _unknown(name: str, owner: str, here: str) -> str:
    if owner == here:
        return f"{{{{{name}}}}}: {name} is a variable of {here}, and has no value there yet."
    return (
        f"{{{{{name}}}}}: {name} is a variable of {owner}, and cannot be seen from {here}, which does not use it "
        f"otherwise. Pass it to {here} as an argument."
    )
