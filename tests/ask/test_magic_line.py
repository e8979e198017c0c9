"""How the line of a magic is read."""

from datetime import UTC, datetime
from time import time

import pytest
from IPython.core.error import UsageError

from labkit.ask.magic_line import moment, split, words_of
from labkit.errors import QueryError


@pytest.mark.parametrize(
    ("line", "options", "query"),
    [
        ("up", [], "up"),
        ("--last 5m up", ["--last=5m"], "up"),
        ("--last=5m --table  up == 1 ", ["--last=5m", "--table"], "up == 1"),
        ("--title 'Two words' -up --x", ["--title=Two words"], "-up --x"),
        ("--last {{ window }} up", ["--last={{window}}"], "up"),
        ("--table", ["--table"], ""),
        ("--last", ["--last"], ""),
        ('a{b="--last 5m"}', [], 'a{b="--last 5m"}'),
    ],
)
def test_options_come_before_the_query(line: str, options: list[str], query: str) -> None:
    """Options at the start are taken off; what follows is the query, untouched, whatever it holds."""
    assert split(line) == (options, query)


def test_words_are_those_of_a_shell() -> None:
    """Quotes hold words together, and so do the brackets of a variable; an open quote is told."""
    assert words_of("SET 'two words' {{ name }}") == ["SET", "two words", "{{name}}"]
    with pytest.raises(UsageError, match="Close the quote"):
        words_of("GET 'open")


def test_a_moment_is_said_in_many_ways() -> None:
    """An ISO time is UTC unless it says otherwise; a number is seconds since 1970; -5m is five minutes ago."""
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()
    assert moment("2026-01-01T12:00:00") == moment("2026-01-01T13:00:00+01:00") == moment(f"{noon}") == noon
    assert moment("-5m") == pytest.approx(time() - 300, abs=60)
    with pytest.raises(UsageError, match="--at yesterday"):
        moment("yesterday")


@pytest.mark.parametrize("text", ["1767225600000", "nan", "inf", "-5 parsecs", "yesterday"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    """Milliseconds, too: they would be a time that nobody lives in."""
    with pytest.raises((UsageError, QueryError)):
        moment(text)
