"""How long series live, how many there may be, and what the writer reports of that: on real servers and pages."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
import redis

from harness.process import wait_until
from labkit import MetricError, RedisMetricsService
from tests.writer.quiet_writer import QuietWriter, accounts_are_settled
from tests.writer.scrape import Scrape, sidecar

SHORT = {"flush_interval": 0.05, "ttl": 0.9}
MORTAL = """
import sys, time
from labkit import RedisMetricsService
metrics = RedisMetricsService(sys.argv[1], flush_interval=0.05, ttl=0.9)
metrics.counter("mortal", "Help.").inc()
metrics.flush()
print("flushed", flush=True)
time.sleep(60)
"""


@pytest.fixture
def scrape(redis_url: str) -> Iterator[Scrape]:
    """A sidecar that runs through the whole test."""
    with sidecar(redis_url) as scrape:
        yield scrape


@pytest.fixture
def writer(redis_url: str) -> Iterator[QuietWriter]:
    """A writer that sends only when told to, and says nothing about itself."""
    with QuietWriter(redis_url, flush_interval=600) as writer:
        yield writer


def test_a_child_is_on_the_page_before_its_first_increment(writer: QuietWriter, scrape: Scrape) -> None:
    """Prometheus sees the zero, and so the first increment: rate() needs both."""
    child = writer.counter("errors", "Help.", ["path"]).labels(path="/pay")
    writer.flush()
    assert scrape("errors") == {'errors{path="/pay"}': 0}
    child.inc()
    writer.flush()
    assert scrape("errors") == {'errors{path="/pay"}': 1}


def test_the_living_stay_and_the_dead_go(redis_url: str, redis_client: redis.Redis, scrape: Scrape) -> None:
    """No scrape misses an idle series of a living writer; that of a writer killed with -9 goes after its ttl."""
    mortal = subprocess.Popen([sys.executable, "-c", MORTAL, redis_url], stdout=subprocess.PIPE)
    with QuietWriter(redis_url, **SHORT) as living, mortal:
        living.counter("idle", "Help.").inc(3)
        living.flush()
        assert mortal.stdout
        assert mortal.stdout.readline() == b"flushed\n"
        assert scrape("mortal") == {"mortal": 1}
        mortal.send_signal(signal.SIGKILL)

        def mortal_is_gone() -> bool:
            assert scrape("idle") == {"idle": 3}
            return not scrape("mortal")

        wait_until(mortal_is_gone, "the expiry")
        wait_until(lambda: redis_client.zrange("metrics.index", 0, -1) == [b"metrics:counter:idle"], "the clean index")
    wait_until(lambda: not scrape("idle"), "the end of the other")


def test_what_finds_no_room_is_counted_together(redis_url: str, scrape: Scrape) -> None:
    """Beyond max_series label sets share one series per metric, so totals add up; how many there were is counted."""
    with QuietWriter(redis_url, flush_interval=600, max_series=10) as writer:
        events, took = writer.counter("events", "Help.", ["user"]), writer.histogram("took", "Help.", ["user"])
        for user in range(50):
            events.labels(user=user).inc(user)
            took.labels(user=user).observe(user)
        writer.flush()
        assert writer.stats().overflows > 50
        accounts_are_settled(writer, calls=100)
    found = scrape("events{")
    assert sum(found.values()) == sum(range(50)) == sum(scrape("took_sum").values())
    assert sum(scrape("took_count").values()) == 50
    assert found['events{user="__overflow__"}'] > 0
    assert len(found) <= 11


def test_declaring_again(writer: QuietWriter) -> None:
    """Identically, it is the same metric; differently, the error shows both declarations."""
    took = writer.histogram("took", "Help.", buckets=(1, 2), unit="ms")
    assert writer.histogram("took", "Help.", buckets=(1.0, 2.0, float("inf")), unit="ms") is took
    with pytest.raises(MetricError, match=r"(?s)buckets=\(1.0, 2.0\).*buckets=\(1.0, 3.0\)"):
        writer.histogram("took", "Help.", buckets=(1, 3), unit="ms")


def test_two_versions_of_an_application(metrics: RedisMetricsService, redis_url: str, scrape: Scrape) -> None:
    """With other buckets, counts go to the next bound at or above; sum and count are exact, and it is counted."""
    with QuietWriter(redis_url, flush_interval=600) as old:
        for value in (3, 8, 30):
            old.histogram("took", "Help.", buckets=(5, 10)).observe(value)
    for other in (0.5, 6, 15, 99):
        metrics.histogram("took", "Help.", buckets=(1, 7, 20)).observe(other)
    metrics.flush()
    metrics.flush()  # reports the one before
    buckets = {'took_bucket{le="5.0"}': 2, 'took_bucket{le="10.0"}': 4, 'took_bucket{le="+Inf"}': 7}
    assert scrape("took_bucket") == buckets
    assert (scrape("took_sum"), scrape("took_count")) == ({"took_sum": 161.5}, {"took_count": 7})
    assert metrics.stats().histograms_folded == 1
    assert scrape("labkit_writer_histograms_folded") == {"labkit_writer_histograms_folded_total": 1}


def test_a_poisoned_series_is_accounted_for(
    writer: QuietWriter, redis_client: redis.Redis, scrape: Scrape, caplog: pytest.LogCaptureFixture
) -> None:
    """Its records are dropped and counted, the log names it once, and its neighbor in the batch is written."""
    redis_client.set("metrics:counter:c", "garbage")
    for _ in range(3):
        writer.counter("c", "Help.").inc()
        writer.counter("d", "Help.").inc(2)
        writer.flush()
    accounts_are_settled(writer, calls=6, dropped=3)
    assert writer.stats().dropped == {"json": 3}
    assert [record.getMessage() for record in caplog.records] == [
        "metrics:counter:c could not be written: json. Delete the key, or give the metric another name."
    ]
    assert scrape("d") == {"d": 6}


def test_the_page_says_what_the_object_says(
    metrics: RedisMetricsService, redis_client: redis.Redis, scrape: Scrape
) -> None:
    """What stats() returns before a flush is in Prometheus after it, number by number."""
    redis_client.set("metrics:counter:c", "garbage")
    for _ in range(3):
        metrics.counter("c", "Help.").inc()
        metrics.counter("d", "Help.").inc()
        metrics.flush()
    stats = metrics.stats()
    metrics.flush()
    page = scrape("labkit_writer")
    batches = {name: page[f'labkit_writer_batches_total{{outcome="{name}"}}'] for name in stats.batches}
    assert batches == stats.batches
    assert page['labkit_writer_records_total{outcome="written"}'] == stats.written
    assert page['labkit_writer_records_total{outcome="dropped"}'] == sum(stats.dropped.values())
    assert page['labkit_writer_series_dropped_total{reason="json"}'] == 3
    assert page["labkit_writer_flush_seconds_count"] == stats.flushes
    assert page["labkit_writer_flush_seconds_sum"] == pytest.approx(stats.flush_seconds)
    assert page["labkit_writer_series"] == stats.series
    assert page["labkit_writer_pending_series"] == page["labkit_writer_overflows"] == 0
