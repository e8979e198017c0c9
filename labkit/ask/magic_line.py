"""How the line of a magic is read: words, options before a query, moments. Wrong ones raise UsageError."""

import re
import shlex
from datetime import UTC, datetime
from time import time

from IPython.core.error import UsageError

from labkit.ask.template import VARIABLE

# These take no value.
_FLAGS = ("--table", "--plot")
_VALUE = r"\{\{\s*\w+\s*\}\}|\"[^\"]*\"|'[^']*'|\S+"
# The year 5138: whoever is beyond it thinks in milliseconds.
_LAST = 1e11
_OPTION = re.compile(rf"--[\w-]+(?:=(?:{_VALUE})?)?")


def words_of(line: str) -> list[str]:
    """Return the words of a line as a shell reads them; quotes hold words together, and so do {{ and }}."""
    try:
        return shlex.split(VARIABLE.sub(r"{{\1}}", line))
    except ValueError as error:
        raise UsageError(f"{line!r} cannot be read: {error}. Close the quote, or write \\' for one.") from None


def split(line: str) -> tuple[list[str], str]:
    """Return the options that a line begins with, and the query after them, untouched."""
    options, rest = list[str](), line.strip()
    while match := _OPTION.match(rest):
        option, rest = match[0], rest[match.end() :].lstrip()
        if "=" not in option and option not in _FLAGS and (value := re.match(_VALUE, rest)):
            option, rest = f"{option}={value[0]}", rest[value.end() :].lstrip()
        options += words_of(option)
    return options, rest


def moment(text: str) -> float:
    """Return a moment as seconds since 1970: such a number, an ISO time (UTC unless it says so), or -5m."""
    from labkit.query import seconds

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
