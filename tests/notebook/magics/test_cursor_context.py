"""Where somebody is typing in a query."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.notebook.magics.cursor_context import cursor_context
from labkit.prometheus.promql import Matcher, Selector


@pytest.mark.parametrize(
    ("typed", "kind", "fragment"),
    [
        ("|", "expression", ""),
        ("user_ev|", "expression", "user_ev"),
        ("sum(rate(us|er_events[5m]))", "expression", "us"),
        ("up + us|", "expression", "us"),
        ("user_events{|", "label", ""),
        ("user_events{ev|", "label", "ev"),
        ('user_events{event="a", jo|', "label", "jo"),
        ('user_events{event="|', "value", ""),
        ('user_events{event="jo|"}', "value", "jo"),
        ("user_events{event='jo|", "value", "jo"),
        ("sum by (ev|) (user_events)", "grouping", "ev"),
        ("a / on(jo|", "grouping", "jo"),
        ("rate(user_events[|", "window", ""),
        ("rate(user_events[5|", "window", "5"),
        ("up offset 1|", "window", "1"),
        ("up > {{li|", "variable", "li"),
        ('up{job="{{jo|', "variable", "jo"),
        ("up > 5|", "nothing", "5"),
        ("# about us|", "nothing", "us"),
        ('up{job="x"|', "nothing", ""),
        ('count_values("us|', "nothing", "us"),
        ("up{job |", "nothing", ""),
    ],
)
def test_a_place_is_found(typed: str, kind: str, fragment: str) -> None:
    """What may stand at the cursor follows from what stands before it; what is typed of it is the fragment."""
    before, _, after = typed.partition("|")
    context = cursor_context(before + after, len(before))
    assert (context.kind, context.fragment) == (kind, fragment)


def test_the_alternatives_of_a_pattern_are_typed_one_by_one() -> None:
    """After | the next value begins, unless the | is escaped."""
    for query, fragment in (('x{a=~"joined|le', "le"), ('x{a=~"joi\\|le', "joi\\|le"), ('x{a="joined|le', "joined|le")):
        assert cursor_context(query, len(query)).fragment == fragment


def test_the_series_that_are_meant_are_known() -> None:
    """A value is of the selector around it, with the conditions before it, but for variables."""
    query = 'up{job="x"} + user_events{job="y", shop="{{shop}}", event="jo'
    context = cursor_context(query, len(query))
    assert context.selectors == (Selector("user_events", (Matcher("job", "=", "y"),)),)
    assert (context.label, context.operator, context.quote) == ("event", "=", '"')


def test_a_grouping_knows_the_series_after_it() -> None:
    """`by (` stands before what it groups; the selectors of the whole query count."""
    query = "sum by () (rate(user_events[5m])) / up"
    assert cursor_context(query, len("sum by (")).selectors == (Selector("user_events", (), "5m"), Selector("up"))


@given(st.text(st.sampled_from("a1_:{}()[]\"'`\\=~!,|# \n.@"), max_size=30), st.integers(0, 30))
def test_any_text_has_a_place(query: str, cursor: int) -> None:
    """Nothing that people type is an error, and the fragment is always what stands before the cursor."""
    context = cursor_context(query, min(cursor, len(query)))
    assert query[:cursor].endswith(context.fragment)
