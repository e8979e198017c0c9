"""When and for how long to ask, and waiting for an answer: asked of a real Prometheus."""

import re
from datetime import UTC, datetime, timedelta
from math import inf

import pandas as pd
import pytest

from labkit.errors import QueryError
from labkit.prometheus.query import Prometheus, fitting_step, quote, seconds, spelled
from tests.prometheus.known_history import AWKWARD, END, START
from tests.prometheus.prometheus_server import SCRAPE_INTERVAL


@pytest.mark.parametrize(
    ("last", "scraped", "step"),
    [
        ("5m", 5, 5),
        ("5m", 1, 2),
        ("1m", 0.5, 0.5),
        ("1h", 15, 15),
        ("2d", 5, 900),
        ("30d", 5, 10_800),
        ("5y", 5, 691_200),
    ],
)
def test_a_fitting_step_is_round_and_as_short_as_can_be_seen(last: str, scraped: float, step: float) -> None:
    """Some 250 points, and not more of them than samples."""
    assert fitting_step(last, scraped) == step
    assert seconds(last) / step <= 250
    assert seconds(spelled(step)) == step


def test_a_quoted_value_is_the_value(prometheus: Prometheus) -> None:
    """Whatever characters a label value has, `quote` selects exactly it."""
    frame = prometheus.query(f"odd{{text={quote(AWKWARD)}}}", at=START + 1)
    assert frame["text"].tolist() == [AWKWARD]


def test_fractions_of_a_second_are_kept(prometheus: Prometheus) -> None:
    """Bounds are sent as given, and times are exact to the millisecond."""
    frame = prometheus.query_range("timestamp(odd{case='awkward'})", last=0.25, step=0.125, end=START + 0.25)
    expected = [pd.Timestamp(START + offset, unit="s", tz="UTC") for offset in (0.125, 0.25)]
    assert frame["time"].tolist() == expected
    assert frame["value"].tolist() == [START + 0.125] * 2


def test_a_moment_is_a_datetime_or_seconds(prometheus: Prometheus) -> None:
    """Both ways to say when give the same; a datetime without a zone is refused instead of guessed."""
    moment = datetime.fromtimestamp(END, UTC)
    pd.testing.assert_frame_equal(prometheus.query("events", at=moment), prometheus.query("events", at=END))
    with pytest.raises(QueryError, match=re.escape("no time zone; write datetime.now(UTC)")):
        prometheus.query("events", at=moment.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        ("5s", 5),
        ("1h30m", 5400),
        ("250ms", 0.25),
        ("0.5", 0.5),
        ("1w2d", 777_600),
        (0.5, 0.5),
        (timedelta(minutes=5), 300),
    ],
)
def test_durations(duration: str | float | timedelta, expected: float) -> None:
    """Durations are written as in PromQL, as seconds, or as timedeltas."""
    assert seconds(duration) == expected


@pytest.mark.parametrize("duration", ["", "5 minutes", "1m1h", "-5s", "0s", 0, -1, inf, float("nan")])
def test_other_durations_are_refused(duration: str | float) -> None:
    """Anything else is an error that shows how to write one."""
    with pytest.raises(QueryError, match="write '5s', '1h30m', a number of seconds, or a timedelta"):
        seconds(duration)


def test_waiting_ends_with_the_condition(prometheus: Prometheus) -> None:
    """`wait_until` returns the first answer that fulfils the condition: here, after three more scrapes."""
    scrapes = "count_over_time(up{job='self'}[1h])"
    before = prometheus.wait_until(scrapes)["value"].item()
    after = prometheus.wait_until(scrapes, lambda frame: frame["value"].sum() >= before + 3)["value"].item()
    assert after >= before + 3


def test_waiting_in_vain_says_what_was_seen(prometheus: Prometheus) -> None:
    """A timeout names the query and the last answer."""
    with pytest.raises(QueryError, match=r"(?s)up: the condition was not met within 0.2 s; last seen: .*self +1\.0"):
        prometheus.wait_until("up", lambda frame: frame["value"].sum() > 1, timeout=0.2)
    with pytest.raises(QueryError, match="last seen: no series"):
        prometheus.wait_until("no_such_metric", timeout=0)


def test_the_scrape_interval_is_what_prometheus_says(prometheus: Prometheus) -> None:
    """Each job's own interval; none for a job that is not there."""
    prometheus.wait_until("up")
    assert prometheus.scrape_interval("self") == SCRAPE_INTERVAL
    assert prometheus.scrape_interval("nobody") is None
    assert prometheus.shortest_scrape_interval() == SCRAPE_INTERVAL
