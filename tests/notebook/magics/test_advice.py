"""A query whose answer shows little is told which one shows more; and buckets that are a heat map are one."""

import pytest

from harness.process import wait_until
from labkit import Prometheus
from labkit.notebook.magics.advice import advice
from labkit.notebook.magics.result import Result

# Prometheus measures itself: many handlers, ten buckets each.
BUCKETS = "prometheus_http_request_duration_seconds_bucket"
SUM = f"sum by (le) (rate({BUCKETS}[1m]))"


@pytest.fixture
def measured(prometheus: Prometheus) -> Prometheus:
    """A Prometheus that has scraped its buckets twice, so that there is a rate."""
    prometheus.wait_until(f"sum by (le) (rate({BUCKETS}[2s])) > 0")
    return prometheus


def test_the_rate_of_buckets_is_a_heat_map(measured: Prometheus) -> None:
    """`sum by (le)` over time is drawn as what it is, the lowest bucket below, and needs no advice."""
    result = Result(measured, SUM, last="10s", step="1s", unit="s")
    (cells,) = result.figure.data
    assert cells.type == "heatmap"
    bounds = [float(bucket.split()[1]) for bucket in cells.y]
    assert bounds == sorted(bounds)
    assert result.advice == []


@pytest.mark.parametrize("promql", [BUCKETS, f"rate({BUCKETS}[1m])"])
def test_many_plain_buckets_are_told_their_sum(measured: Prometheus, promql: str) -> None:
    """The advice has a query that can be asked as it stands, and stands in text and page."""
    # A rate needs a second scrape of each.
    wait_until(lambda: Result(measured, promql, last="5s", step="1s").advice, "enough series for advice")
    result = Result(measured, promql, last="5s", step="1s")
    (told,) = result.advice
    assert SUM in told
    assert f"histogram_quantile(0.95, {SUM})" in told
    assert repr(result).endswith(f"note: {told}")
    assert f"<code>{SUM}</code>" in result.remarks._repr_html_()


def test_a_window_shorter_than_the_step_is_told(prometheus: Prometheus) -> None:
    """What lies between two points is not seen, and the window that sees all of it is named."""
    (told,) = Result(prometheus, "rate(up[20s])", last="30d").advice
    assert "3h apart" in told and "[3h] sees all of it" in told
    assert Result(prometheus, "rate(up[20s])", last="1m", step="5s").advice == []


def test_few_series_and_moments_need_no_advice(prometheus: Prometheus) -> None:
    """What reads well is left alone."""
    for promql in ("up", f'{BUCKETS}{{handler="/metrics"}}', "vector(1)"):
        assert advice(promql, prometheus.query(promql)) == []
