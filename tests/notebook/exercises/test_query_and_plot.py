"""Notebook 04: each typical wrong answer hears what it is."""

from collections.abc import Callable

import pytest

from labkit import Prometheus, Stack
from labkit.notebook.exercises.query_and_plot import QueryAndPlot
from tests.notebook.exercises.conftest import Reply

SHARE = "sum(api_errors) / sum(api_request_duration_ms_count)"
BY_ENDPOINT = "sum by (endpoint) (api_request_duration_ms_count)"


def _value(lab: Stack, promql: str) -> float:
    return float(Prometheus(lab.urls["prometheus"]).wait_until(promql)["value"].item())


def test_the_share_is_right_exact_or_rounded(lab: Stack, reply: Reply) -> None:
    """As a number, or as the table with one row."""
    share = _value(lab, f"100 * {SHARE}")
    table = Prometheus(lab.urls["prometheus"]).wait_until(f"100 * {SHARE}")
    for answer in (share, round(share, 1), table):
        assert "✔ `refused`: " in reply(QueryAndPlot(lab), "refused", answer)


@pytest.mark.parametrize(
    ("promql", "says"),
    [
        (SHARE, "is the share of 1. In percent"),
        ("sum(api_errors)", "3 is *how many* were refused"),
        ("100 * sum(api_request_duration_ms_count) / sum(api_errors)", "is upside down"),
        ("vector(77)", "77 is neither the share nor one of its parts"),
    ],
)
def test_a_wrong_share_hears_what_it_is(lab: Stack, reply: Reply, promql: str, says: str) -> None:
    """A fraction, a number of requests, the inverse."""
    said = reply(QueryAndPlot(lab), "refused", _value(lab, promql))
    assert "✘ `refused`: " in said and says in said


def test_a_division_of_series_without_sum_is_explained(lab: Stack, reply: Reply) -> None:
    """It gives many rows, or none; both are named."""
    prometheus = Prometheus(lab.urls["prometheus"])
    empty = prometheus.query("api_errors / api_request_duration_ms_count")
    assert "`sum (…)` removes them" in reply(QueryAndPlot(lab), "refused", empty)
    assert "It has " in reply(QueryAndPlot(lab), "refused", prometheus.wait_until("api_errors"))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda table: table.nlargest(1, "value"), "✔ `busiest`: "),
        (lambda table: table.nlargest(1, "value")["endpoint"].item(), "✔ `busiest`: "),
        (lambda table: table.nsmallest(1, "value")["endpoint"].item(), "and another one had more."),
        (lambda table: float(table["value"].max()), "is how many. *Which* endpoint is it?"),
        (lambda _: "/api/store/jion", "No endpoint is called `/api/store/jion`; there are "),
        (lambda table: table, "It has "),
    ],
)
def test_the_busiest_endpoint_has_a_name(lab: Stack, reply: Reply, answer: Callable[..., object], says: str) -> None:
    """A row or a name is right; a number, another endpoint and all of them are not."""
    table = Prometheus(lab.urls["prometheus"]).wait_until(BY_ENDPOINT)
    assert says in reply(QueryAndPlot(lab), "busiest", answer(table))
