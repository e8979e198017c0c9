"""Which form of the page a client gets: what real clients send, and what hostile ones might."""

import pytest

from labkit.sidecar.negotiation import Format, compresses, negotiate, refresh_timeout

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
TEXT_FIRST = "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5"
PROTOBUF = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (PROMETHEUS_2, "openmetrics"),
        (PROMETHEUS_3, "openmetrics"),
        (TEXT_FIRST, "text"),
        ("application/openmetrics-text", "openmetrics"),
        ('Application/OpenMetrics-Text; Version="1.0.0"', "openmetrics"),
        ("application/openmetrics-text;version=0.0.1", "text"),
        ("application/openmetrics-text;version=2.0.0", "text"),
        ("application/openmetrics-text;q=0", "text"),
        ("text/plain,application/openmetrics-text", "text"),
        ("application/openmetrics-text,text/plain", "openmetrics"),
        (PROTOBUF, "text"),
        ("application/*", "text"),
        ("text/html,*/*;q=0.8", "text"),
        ("", "text"),
        (";;,=;q", "text"),
        ("application/openmetrics-text;q=nan", "text"),
        ("application/openmetrics-text;q=7", "text"),
    ],
)
def test_the_format_is_the_one_preferred(accept: str, expected: Format) -> None:
    """OpenMetrics 1.0 for clients that prefer it by name, version and quality; text for all others."""
    assert negotiate(accept) == expected


@pytest.mark.parametrize(
    ("accept_encoding", "client", "expected"),
    [
        ("gzip", "203.0.113.7", True),
        ("deflate, gzip;q=0.5", "2001:db8::7", True),
        ("*", "203.0.113.7", True),
        ("*, gzip;q=0", "203.0.113.7", False),
        ("gzip;q=0", "203.0.113.7", False),
        ("br", "203.0.113.7", False),
        ("", "203.0.113.7", False),
        ("gzip", "127.0.0.1", False),
        ("gzip", "127.8.8.8", False),
        ("gzip", "::1", False),
        ("gzip", "::ffff:127.0.0.1", False),
        ("gzip", None, False),
    ],
)
def test_gzip_is_for_who_asks_from_elsewhere(accept_encoding: str, client: str | None, expected: bool) -> None:
    """Within one machine it would cost time and save nothing."""
    assert compresses(accept_encoding, client) is expected


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [("10", 8), ("1", 0.6), ("0.5", 0.3), ("0.1", 0.2), ("600", 60), ("", 60), ("soon", 60), ("nan", 60), ("-1", 60)],
)
def test_a_scraper_hears_in_time(timeout: str, seconds: float) -> None:
    """Most of its time is for reading, the rest for the page, for which a fifth of a short time is too little."""
    assert refresh_timeout(timeout, 60) == pytest.approx(seconds)
