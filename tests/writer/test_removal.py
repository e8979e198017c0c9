"""remove() and clear() reach what other processes wrote, and the page shows it at the next scrape."""

import subprocess
import sys
from collections.abc import Iterator
from threading import Thread

import pytest
import redis

from harness.process import wait_until
from labkit import RedisMetricsService
from tests.writer.quiet_writer import QuietWriter, accounts_are_settled
from tests.writer.scrape import Scrape, sidecar

TTL = 1.5
PROGRAM = """
import sys
from labkit import RedisMetricsService
metrics = RedisMetricsService(sys.argv[1], flush_interval=0.05, ttl=float(sys.argv[2]))
events = metrics.counter("events", "What happened.", ["user"])
for user in sys.stdin:
    events.labels(user=user.strip()).inc()
    metrics.flush()
    print("recorded", flush=True)
"""


class Other:
    """Another process that writes the same metric, and refreshes what it has written every third of a ttl."""

    def __init__(self, redis_url: str) -> None:
        command = [sys.executable, "-c", PROGRAM, redis_url, str(TTL)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def record(self, user: str) -> None:
        """Count one event of this user, and return when it is in Redis."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{user}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "recorded\n"

    def close(self) -> None:
        self._process.communicate(timeout=20)


@pytest.fixture
def other(redis_url: str) -> Iterator[Other]:
    """A process that has counted one event each of a, b and c."""
    other = Other(redis_url)
    for user in "abc":
        other.record(user)
    yield other
    other.close()


@pytest.fixture
def scrape(redis_url: str) -> Iterator[Scrape]:
    """A sidecar that runs through the whole test."""
    with sidecar(redis_url) as scrape:
        yield scrape


def users(*names: str, count: float = 1) -> dict[str, float]:
    return {f'events{{user="{name}"}}': count for name in names}


def refreshed(client: redis.Redis, user: str, times: int = 2) -> None:
    """Wait until the other process has refreshed this user so often, and thus all that it is willing to refresh."""
    for _ in range(times):
        before = client.zscore("metrics.index", f"metrics:counter:events:user={user}")
        wait_until(
            lambda: client.zscore("metrics.index", f"metrics:counter:events:user={user}") != before,  # noqa: B023  waits here
            "a refresh",
        )


def test_a_removed_series_is_gone_for_all(
    other: Other, metrics: RedisMetricsService, redis_client: redis.Redis, scrape: Scrape
) -> None:
    """It is off the next page, the other process's refresh leaves it there, and its next event counts from zero."""
    events = metrics.counter("events", "What happened.", ["user"])
    events.labels(user="a").inc()
    metrics.flush()
    assert scrape("events{") == users("a", count=2) | users("b", "c")
    events.remove(user="a")
    metrics.flush()
    assert scrape("events{") == users("b", "c")
    refreshed(redis_client, "b", times=4)  # longer than the removal is remembered
    assert scrape("events{") == users("b", "c")
    other.record("a")
    assert scrape("events{") == users("a", "b", "c")


def test_clear_takes_what_others_wrote(
    other: Other, metrics: RedisMetricsService, redis_client: redis.Redis, scrape: Scrape
) -> None:
    """Also children that this process never saw; another metric stays."""
    metrics.counter("restocks", "Deliveries.").inc()
    metrics.flush()
    assert scrape("events{") == users("a", "b", "c")
    metrics.counter("events", "What happened.", ["user"]).clear()
    metrics.flush()
    assert scrape("events{") == {}
    assert scrape("restocks") == {"restocks": 1}
    other.record("d")
    refreshed(redis_client, "d", times=4)
    assert scrape("events{") == users("d")


def test_what_was_recorded_and_not_sent_is_removed_too(metrics: RedisMetricsService, scrape: Scrape) -> None:
    """It is accounted for as removed; what is recorded after the removal counts, even to a child kept from before."""
    events = metrics.counter("events", "What happened.", ["user"])
    kept = events.labels(user="a")
    for _ in range(3):
        kept.inc()
    events.remove(user="a")
    kept.inc()
    metrics.flush()
    assert scrape("events{") == users("a")
    assert metrics.stats().dropped == {"removed": 3}


def test_removals_race_with_records(redis_url: str, redis_client: redis.Redis) -> None:
    """Whatever four threads record while a series is removed again and again: each call is written or dropped."""
    with QuietWriter(redis_url, flush_interval=0.01) as writer:
        events = writer.counter("events", "What happened.", ["user"])
        kept = events.labels(user="a")

        def record() -> None:
            for _ in range(50_000):
                kept.inc()
                events.labels(user="a").inc()

        threads = [Thread(target=record) for _ in range(4)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            events.remove(user="a")
        kept.inc()
        events.remove(user="a")  # on a busy machine, the only one
        writer.flush()
        accounts_are_settled(writer, calls=400_001, dropped=writer.stats().dropped["removed"])


def test_a_forgotten_writer_brings_nothing_back(redis_url: str, redis_client: redis.Redis, scrape: Scrape) -> None:
    """When the server has lost a writer's fence, all is written again, but not what somebody removed."""
    with QuietWriter(redis_url, flush_interval=600) as writer, QuietWriter(redis_url, flush_interval=600) as other:
        for user in "ab":
            writer.counter("events", "What happened.", ["user"]).labels(user=user).inc()
        writer.flush()
        other.counter("events", "What happened.", ["user"]).remove(user="a")
        other.flush()
        redis_client.hdel("metrics.fences", writer._writer._thread.flusher._outbox.writer)
        for _ in range(2):  # the first finds that it was forgotten, the second writes all again
            writer.counter("restocks", "Deliveries.").inc()
            writer.flush()
        assert writer.stats().batches["forgotten"] == 1
        assert scrape("events{") == users("b")
