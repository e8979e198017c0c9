"""Notebook 04: a share in percent, and the busiest endpoint."""

from math import isclose

from labkit.notebook.exercises.checks import Checks, exercise
from labkit.notebook.exercises.reading import NotAnAnswer, number, text
from labkit.notebook.exercises.verdict import Verdict, plain, right, wrong

_REFUSED, _ALL = "sum(api_errors)", "sum(api_request_duration_ms_count)"
_ENDPOINTS = "sum by (endpoint) (api_request_duration_ms_count)"
_EMPTY = "Where both sides of a division have labels, they must be the same on both; `sum (…)` removes them."


class QueryAndPlot(Checks):
    """The exercises of notebook 04."""

    notebook = "04-query-and-plot"

    @exercise(
        "Both are sums over all series: `sum(api_errors)` is one number, without labels. PromQL divides with `/`.",
        f"`prometheus.query('100 * {_REFUSED} / …')` is a table with one row; its column `value` has the share.",
    )
    def refused(self, answer: object) -> Verdict:
        """What share of the requests was refused, in percent?"""
        found, errors, requests = number(answer, empty=_EMPTY), self._value(_REFUSED), self._value(_ALL)
        share = 100 * errors / requests
        # Rounded as people round; and who asks while customers come is a little late.
        recent = self._prometheus().query_range(f"100 * {_REFUSED} / {_ALL}", "1m", "1s")["value"]
        if abs(found - share) <= 0.05 or found in set(recent):
            return right(f"{plain(round(found, 2))} %: {plain(errors)} of {plain(requests)} requests.")
        if isclose(found, share / 100, rel_tol=0.02):
            return wrong(f"{plain(found)} is the share of 1. In percent, it is a hundred times that.")
        if found == errors:
            return wrong(f"{plain(found)} is *how many* were refused. Of how many in all?")
        if isclose(found, requests / errors, rel_tol=0.02) or isclose(found, 100 * requests / errors, rel_tol=0.02):
            return wrong(f"{plain(found)} is upside down: requests divided by refusals.")
        return wrong(f"{plain(found)} is neither the share nor one of its parts. Which two sums do you divide?")

    @exercise(
        f"`{_ENDPOINTS}` has a row for each endpoint; the largest is the answer.",
        f"`prometheus.query('topk(1, {_ENDPOINTS})')` has one row; its column `endpoint` is the answer.",
    )
    def busiest(self, answer: object) -> Verdict:
        """Which endpoint gets most requests?"""
        asked = self._prometheus().wait_until(_ENDPOINTS, timeout=5).set_index("endpoint")["value"]
        if isinstance(answer, int | float):
            raise NotAnAnswer(f"`{answer}` is how many. *Which* endpoint is it?")
        named = text(answer, "endpoint")
        found = next((endpoint for endpoint in asked.index if endpoint == named or endpoint.endswith(f"/{named}")), "")
        if not found:
            return wrong(
                f"No endpoint is called `{named}`; there are {', '.join(f'`{name}`' for name in asked.index)}."
            )
        if asked[found] < asked.max():
            return wrong(f"`{found}` had {plain(asked[found])} requests, and another one had more.")
        return right(f"`{found}`, with {plain(asked[found])} requests: each journey begins there.")

    def _value(self, promql: str) -> float:
        # A scrape that failed leaves nothing to be asked for, until the next one.
        return float(self._prometheus().wait_until(promql, timeout=5)["value"].item())
