"""`{{name}}`: a value reaches a query whole, and never leaves the place where it was put."""

from datetime import UTC, datetime, timedelta

import promql_parser
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit import Prometheus
from labkit.errors import QueryError
from labkit.notebook.magics.template import escaped, expand, fill, regex

# What breaks out of strings, regular expressions and selectors where somebody forgot to quote.
HOSTILE = st.text(st.sampled_from("\"'`\\{}[]()|.*+?^$#,=~!x \n\té日\x00\x7f"), max_size=12)
TEXTS = st.text(max_size=20) | HOSTILE
ASKING = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(TEXTS, st.sampled_from(["{{v}}", '"{{v}}"', "'{{v}}'", '"{{ v }}"']), st.sampled_from(["=", "!="]))
def test_a_value_never_escapes_its_string(value: str, written: str, operator: str) -> None:
    """Another's parser reads one selector with one matcher, and in it exactly the value."""
    parsed = promql_parser.parse(expand(f"x{{a{operator}{written}}}", {"v": value}))
    assert isinstance(parsed, promql_parser.VectorSelector)
    matchers = parsed.matchers.matchers
    assert [(each.name, each.value) for each in matchers] == [("a", value)]


@ASKING
@given(TEXTS, st.sampled_from(["{{v}}", '"{{v}}"', "'{{v}}'"]))
def test_prometheus_reads_the_value_that_was_meant(prometheus: Prometheus, value: str, written: str) -> None:
    """A string literal asked of Prometheus comes back as the very text."""
    assert prometheus.query(expand(written, {"v": value}))["value"].iloc[0] == value


@ASKING
@given(TEXTS.filter(bool), TEXTS.filter(bool))
def test_a_pattern_matches_its_own_text_and_no_other(prometheus: Prometheus, value: str, other: str) -> None:
    """After =~ the signs of regular expressions are only letters: Prometheus' own engine finds the text alone."""
    for text, found in ((value, True), (other, other == value)):
        label, pattern = (f'"{escaped(each, chr(34))}"' for each in (text.replace("$", "$$"), regex(value)))
        labelled = f'label_replace(vector(1), "a", {label}, "", "")'
        frame = prometheus.query(f'label_replace({labelled}, "hit", "yes", "a", {pattern})')
        assert ("hit" in frame.columns) is found


@pytest.mark.parametrize(
    ("query", "value", "expected"),
    [
        ('x{a=~"{{v}}"}', "a.b", 'x{a=~"a\\\\.b"}'),
        ('x{a=~"{{v}}"}', ["a.b", "c"], 'x{a=~"(?:a\\\\.b|c)"}'),
        ('x{a=~"pre-{{v}}-post"}', ["a", "b"], 'x{a=~"pre-(?:a|b)-post"}'),
        ('x{a=~ # why\n "{{v}}"}', ".*", 'x{a=~ # why\n "\\\\.\\\\*"}'),
        ("x OFFSET {{v}}", "5m", "x OFFSET 5m"),
        ("x offset -{{v}}", "5m", "x offset -5m"),
        ("x{a!~{{v}}}", ["a", "c"], 'x{a!~"(?:a|c)"}'),
        ('x{a="pre-{{v}}-post"}', 7, 'x{a="pre-7-post"}'),
        ("x > {{v}}", 2.5, "x > 2.5"),
        ("x > {{v}}", -1, "x > (-1)"),
        ("rate(x[{{v}}])", "5m", "rate(x[5m])"),
        ("rate(x[{{v}}])", 20, "rate(x[20s])"),
        ("rate(x[{{v}}])", timedelta(milliseconds=500), "rate(x[500ms])"),
        ("x offset {{v}}", timedelta(minutes=1), "x offset 60s"),
        ("x @ {{v}}", datetime(2026, 1, 1, tzinfo=UTC), "x @ 1767225600.0"),
        ("x # {{v}}", "anything", "x # {{v}}"),
        ("x{a=`{{v}}`}", "a\\b", "x{a=`a\\b`}"),
    ],
)
def test_a_value_takes_the_form_of_its_place(query: str, value: object, expected: str) -> None:
    """Text, pattern, number, duration or moment; in a comment nothing is expanded."""
    assert expand(query, {"v": value}) == expected
    promql_parser.parse(expected)


@pytest.mark.parametrize(
    ("query", "value", "said"),
    [
        ("{{w}}", 1, "no variable 'w'"),
        ('x{a=~"{{v}}"}', [], "is empty"),
        ("x[{{v}}]", "5m] or vector(1", "a duration is needed"),
        ("x[{{v}}]", -5, "a duration is needed"),
        ("x > {{v}}", object, "A query takes text"),
        ("x > {{v}}", True, "A query takes text"),
        ("x @ {{v}}", datetime(2026, 1, 1), "with a time zone"),  # noqa: DTZ001  that it has none is the mistake
        ("x{a=`{{v}}`}", "a`b", "between double quotes"),
        ('x{a="{{v}}"}', ["a"], "A query takes text"),
    ],
)
def test_what_cannot_stand_there_is_refused(query: str, value: object, said: str) -> None:
    """The message names the variable and what it would have to be."""
    with pytest.raises(QueryError, match=said):
        expand(query, {"v": value})


@given(TEXTS)
def test_a_word_of_a_command_is_filled_as_it_is(value: str) -> None:
    """What goes to Redis as one argument needs no quotes, and gets none."""
    assert fill("key:{{v}}", {"v": value}) == f"key:{value}"
