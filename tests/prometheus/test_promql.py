"""PromQL as far as asking needs it, held against a parser that shares no code with it, and against Prometheus."""

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit import Prometheus, QueryError, dashboard
from labkit.prometheus.promql import AGGREGATIONS, FUNCTIONS, Matcher, Selector, selectors, tokens, unquoted

NAMES = st.sampled_from(["up", "user_events", "job:x:rate5m", "a_total", "sum_of", "by_day"])
VALUES = st.text(st.characters(exclude_categories=["C"]), max_size=8)
MATCHERS = st.builds(Matcher, st.sampled_from(["event", "le", "job"]), st.sampled_from(["=", "!="]), VALUES)
SELECTORS = st.builds(Selector, NAMES, st.lists(MATCHERS, max_size=3).map(tuple))
SHAPES = (
    "{0}",
    "rate({0}[5m])",
    "sum by (event, job) (rate({0}[20s])) / on (job) {1}",
    "topk(3, {0} offset 5m) or {1} unless {0}",
    "histogram_quantile(0.95, sum without (x) (rate({0}[1m:5s] @ 10))) > bool 2e3 # {{up}}",
    "count_values('up', {0}) * ignoring(le) group_left(job) {1}",
)
OPERATORS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}


def _parsed(promql: str) -> set[tuple[str, frozenset[tuple[str, str, str]]]]:
    """The selectors of a query, as the other parser reads them."""
    nodes: list[object] = []
    promql_parser.walk(promql_parser.parse(promql), nodes.append)
    found = [node for node in nodes if isinstance(node, promql_parser.VectorSelector)]
    return {(node.name or "", frozenset(map(_matcher, node.matchers.matchers))) for node in found}


def _matcher(matcher: promql_parser.Matcher) -> tuple[str, str, str]:
    return matcher.name, OPERATORS[str(matcher.op).removeprefix("MatchOp.")], matcher.value


def _read(promql: str) -> set[tuple[str, frozenset[tuple[str, str, str]]]]:
    found = selectors(promql)
    return {(one.metric, frozenset((m.label, m.operator, m.value) for m in one.matchers)) for one in found}


@given(st.sampled_from(SHAPES), SELECTORS, SELECTORS)
def test_selectors_are_those_of_another_parser(shape: str, first: Selector, second: Selector) -> None:
    """Whatever the query around them, and whatever their values hold, the same series are meant."""
    promql = shape.format(first, second)
    assert _read(promql) == _parsed(promql)


def test_selectors_of_the_dashboard_are_read() -> None:
    """Every query that this repository draws is understood."""
    for query in dashboard.queries("15m"):
        assert _read(query.promql) == _parsed(query.promql)


@given(st.text())
def test_tokens_leave_out_nothing_but_space(text: str) -> None:
    """Any text, finished or not, is its tokens, each where it says it stands, and the space between them."""
    end = 0
    for token in tokens(text):
        assert not text[end : token.start].strip()
        assert text[token.start : token.end] == token.text
        end = token.end
    assert not text[end:].strip()


@pytest.mark.parametrize(
    ("literal", "text"),
    [('"a"', "a"), ('"a', "a"), (r'"a\"b"', 'a"b'), (r"'it\'s'", "it's"), (r"`a\b`", r"a\b"), (r'"\x41"', r"\x41")],
)
def test_a_string_says_what_its_quotes_hold(literal: str, text: str) -> None:
    """Escapes are undone; a string that is still typed is read as far as it goes."""
    assert unquoted(literal) == text


@pytest.mark.parametrize("name", [*FUNCTIONS, *AGGREGATIONS])
def test_prometheus_knows_what_is_offered(prometheus: Prometheus, name: str) -> None:
    """No function or aggregation of the lists is unknown to a real server, whatever else it says."""
    try:
        prometheus.query(f"{name}()")
    except QueryError as error:
        assert "unknown function" not in str(error)
        assert "unexpected" not in str(error)
