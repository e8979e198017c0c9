"""How the line of a magic is read."""

from datetime import UTC, datetime
from time import time

import pytest
from IPython.core.error import UsageError

from labkit.errors import QueryError
from labkit.notebook.magics.arguments import parse_time, require_known, split_options, split_words

OPTIONS = ("--last", "--step", "--table", "--title")


@pytest.mark.parametrize(
    ("line", "options", "query"),
    [
        ("up", [], "up"),
        ("--last 5m up", ["--last=5m"], "up"),
        ("--last=5m --table  up == 1 ", ["--last=5m", "--table"], "up == 1"),
        ("up --last 5m", ["--last=5m"], "up"),
        ("--table rate(up[5m])  --last=5m", ["--table", "--last=5m"], "rate(up[5m])"),
        ("sum(\n  up\n)\n--title 'Two words'\n--last 5m", ["--title=Two words", "--last=5m"], "sum(\n  up\n)"),
        ("up --lst 5m", ["--lst=5m"], "up"),
        ("--title 'Two words' -up --x", ["--title=Two words"], "-up --x"),
        ("up --last 5m + 1", [], "up --last 5m + 1"),
        ("(up --last 5m)", [], "(up --last 5m)"),
        ("up # --last 5m", [], "up # --last 5m"),
        ("--last {{ window }} up", ["--last={{window}}"], "up"),
        ("--table", ["--table"], ""),
        ("--last", ["--last"], ""),
        ('a{b=" --last 5m"}', [], 'a{b=" --last 5m"}'),
    ],
)
def test_options_stand_before_the_query_or_after_it(line: str, options: list[str], query: str) -> None:
    """They are taken off; between them is the query, untouched, whatever it holds, two signs before a metric too."""
    assert split_options(line, OPTIONS) == (options, query)


def test_an_option_that_there_is_not_is_told_with_what_was_meant() -> None:
    """The nearest one; if none is near, all of them."""
    with pytest.raises(UsageError, match=r"%promql has no option --lst\. Did you mean --last\?"):
        require_known(["--table", "--lst=5m"], OPTIONS, "%promql")
    with pytest.raises(UsageError, match="There are --last, --step, --table, --title"):
        require_known(["--colour"], OPTIONS, "%promql")
    require_known(["--last=5m", "--la", "--step", "-x"], OPTIONS, "%promql")


def test_words_are_those_of_a_shell() -> None:
    """Quotes hold words together, and so do the brackets of a variable; an open quote is told."""
    assert split_words("SET 'two words' {{ name }}") == ["SET", "two words", "{{name}}"]
    with pytest.raises(UsageError, match="Close the quote"):
        split_words("GET 'open")


def test_a_moment_is_said_in_many_ways() -> None:
    """An ISO time is UTC unless it says otherwise; a number is seconds since 1970; -5m is five minutes ago."""
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()
    assert parse_time("2026-01-01T12:00:00") == parse_time("2026-01-01T13:00:00+01:00") == parse_time(f"{noon}") == noon
    assert parse_time("-5m") == pytest.approx(time() - 300, abs=60)
    with pytest.raises(UsageError, match="--at yesterday"):
        parse_time("yesterday")


@pytest.mark.parametrize("text", ["1767225600000", "nan", "inf", "-5 parsecs", "yesterday"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    """Milliseconds, too: they would be a time that nobody lives in."""
    with pytest.raises((UsageError, QueryError)):
        parse_time(text)
