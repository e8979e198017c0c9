"""How the line of a magic is read: words, options around a query, times. Wrong ones raise UsageError."""

import re
import shlex
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from time import time

from IPython.core.error import UsageError

from labkit.notebook.magics.template import VARIABLE
from labkit.prometheus.promql import tokens

# These take no value.
_FLAGS = ("--table", "--plot")
_OPENING, _CLOSING = ("(", "[", "{"), (")", "]", "}")
_VALUE = r"\{\{\s*\w+\s*\}\}|\"[^\"]*\"|'[^']*'|\S+"
# The year 5138: whatever is beyond it is in milliseconds.
_LAST = 1e11
_OPTION = re.compile(rf"--[\w-]+(?:=(?:{_VALUE})?)?")


def split_words(line: str) -> list[str]:
    """Return the words of a line as a shell reads them; quotes hold words together, and so do {{ and }}."""
    try:
        return shlex.split(VARIABLE.sub(r"{{\1}}", line))
    except ValueError as error:
        raise UsageError(f"{line!r} cannot be read: {error}. Close the quote, or write \\' for one.") from None


def split_options(text: str, known: Sequence[str]) -> tuple[list[str], str]:
    """Return the options before and after a query, and the query itself, untouched.

    Args:
        text: options, a query, options.
        known: all options. PromQL may have `--x` too, two signs and a metric, and keeps what resembles none of them.
    """
    before, query = _leading(text.strip())
    for place in _signs(query):
        after, rest = _leading(query[place:])
        if after and not rest and _nearest(after[0], known):
            return before + after, query[:place].rstrip()
    return before, query


def _leading(text: str) -> tuple[list[str], str]:
    options, rest = list[str](), text
    while match := _OPTION.match(rest):
        option, rest = match[0], rest[match.end() :].lstrip()
        if "=" not in option and option not in _FLAGS and (value := re.match(_VALUE, rest)):
            option, rest = f"{option}={value[0]}", rest[value.end() :].lstrip()
        options += split_words(option)
    return options, rest


def _signs(query: str) -> Iterator[int]:
    """Where a query has `--` before a word, outside of brackets and strings."""
    depth, pieces = 0, tokens(query)
    for first, second, word in zip(pieces, pieces[1:], pieces[2:], strict=False):
        depth += (first.text in _OPENING) - (first.text in _CLOSING)
        together = first.text == second.text == "-" and word.start == second.end == first.end + 1
        if together and word.kind == "word" and depth == 0 and query[: first.start][-1:].strip() == "":
            yield first.start


def require_known(words: Sequence[str], known: Sequence[str], magic: str) -> None:
    """Raise UsageError, with what was perhaps meant, if one of these words is an option that there is not."""
    for word in words:
        name = word.partition("=")[0]
        if not name.startswith("--") or any(option.startswith(name) for option in known):
            continue
        nearest = _nearest(name, known)
        meant = f"Did you mean {nearest}?" if nearest else f"There are {', '.join(known)}."
        raise UsageError(f"{magic} has no option {name}. {meant}")


def _nearest(option: str, known: Sequence[str]) -> str:
    name = option.partition("=")[0]
    begun = [each for each in known if each.startswith(name)]
    return next(iter(begun or get_close_matches(name, known, n=1)), "")


def parse_time(text: str) -> float:
    """Return a time as seconds since 1970: such a number, an ISO time (UTC unless it says so), or -5m."""
    from labkit.prometheus.query import seconds

    if text.startswith("-"):
        return time() - seconds(text[1:])
    try:
        found = float(text)
    except ValueError:
        return _iso(text)
    if not 0 <= found < _LAST:
        raise UsageError(
            f"--at {text} is not a number of seconds since 1970 (milliseconds are a thousand times as many)."
        )
    return found


def _iso(text: str) -> float:
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--at {text}: write 2026-01-01T12:00:00 (UTC), seconds since 1970, or -5m.") from None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
