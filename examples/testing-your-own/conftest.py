"""What the tests of this application share. `labkit_stack` and the like come with labkit itself."""

from collections import Counter

import pytest

from labkit import RedisMetricsService


def by_outcome(frame):
    """Return an answer from Prometheus as numbers by outcome."""
    return Counter(frame.set_index("outcome")["value"].to_dict() if len(frame) else {})


@pytest.fixture
def metrics(labkit_stack):
    """A writer to the lab's Redis, closed after the test."""
    with RedisMetricsService(labkit_stack.urls["redis"], flush_interval=0.5) as service:
        yield service


@pytest.fixture
def arrives(labkit_prometheus):
    """Call it with the orders that are expected, by outcome: it returns when Prometheus has them, and fails if not.

    The lab is shared by all tests, so only what is new since the test began counts.
    """
    before = by_outcome(labkit_prometheus.query("orders"))

    def wait(**expected):
        labkit_prometheus.wait_until("orders", lambda frame: by_outcome(frame) - before == Counter(expected))

    return wait
