"""Why an answer is empty: the reason that is told is the one that was made."""

import pytest

from labkit import Prometheus, Stack
from labkit.notebook.magics.diagnosis import explain
from tests.notebook.magics.conftest import END, LAST_SEEN
from tests.prometheus.prometheus_server import PrometheusServer


@pytest.mark.parametrize(
    ("promql", "reason"),
    [
        ("user_event", "There is no metric user_event. Near it: user_events."),
        ("events", "There is no metric events. Near it: user_events."),
        ("zzzzzz", "There is no metric zzzzzz."),
        ('user_events{evnt="joined"}', "user_events has no label evnt. It has: event, shop."),
        ('user_events{event="joind"}', 'No series of user_events has event="joind". Values of event: joined, left.'),
        ('user_events{event=~"x.*"}', 'No series of user_events has event=~"x.*". Values of event: joined, left.'),
        (
            'user_events{event="joined", shop="south"}',
            'Each of event="joined", shop="south" is true for some series of user_events, but no series has all',
        ),
        ("user_events > 1e9", "Every part of the query has samples, but together they leave none"),
        ("absent(user_events)", "Every part of the query has samples"),
        ("user_events * on(event) user_events{shop='x'}", 'No series of user_events has shop="x"'),
        (
            "coupons",
            "coupons has no sample at 2026-01-01 00:01:00 UTC; the newest before that is of 2026-01-01 00:00:15",
        ),
        ("rate(user_events[2s])", "user_events has 1 sample in [2s] at 2026-01-01 00:01:00 UTC, and a rate needs two."),
        ("rate(coupons[10s])", "coupons has no sample in the 10s before 2026-01-01 00:01:00 UTC"),
    ],
)
def test_the_reason_is_named(prometheus: Prometheus, promql: str, reason: str) -> None:
    """Each query is empty for one reason, and that one is told."""
    assert prometheus.query(promql, END).empty
    reasons = explain(prometheus, promql, at=END)
    assert any(each.startswith(reason) for each in reasons), reasons


def test_a_range_is_looked_at_over_its_time(prometheus: Prometheus) -> None:
    """What has no sample over the time that was looked back is said with that time."""
    (reason,) = explain(prometheus, "coupons", at=END, last="30s")
    assert reason.startswith("coupons has no sample in the 30s before")
    assert prometheus.query_range("coupons", "60s", "5s", END)["time"].max().timestamp() > LAST_SEEN


def test_a_target_that_is_down_is_named(lab: Stack) -> None:
    """While the sidecar is stopped, an empty answer names its target."""
    prometheus = Prometheus(lab.urls["prometheus"])
    with lab.stopped("sidecar"):
        row = prometheus.wait_until('up{job="labkit"} == 0')
        reasons = explain(prometheus, "users_total", at=row["time"].max().timestamp())
    assert any("of the job labkit was down" in reason for reason in reasons), reasons


def test_a_young_series_says_how_long_a_window_must_be(lab: Stack) -> None:
    """The advice is made of the scrape interval of the series' own target."""
    prometheus = Prometheus(lab.urls["prometheus"])
    at = prometheus.wait_until("users_total and on(job) up == 1")["time"].max().timestamp()
    (reason,) = explain(prometheus, "rate(users_total[10ms])", at=at)
    assert "Samples come every 0.5 s: take [2s]" in reason


def test_a_prometheus_without_data_says_so(blank: PrometheusServer) -> None:
    """Before anything was scraped there is nothing to be near to."""
    (reason,) = explain(Prometheus(blank.url), "up", at=END)
    assert reason.startswith("Prometheus has no metric at all yet")
