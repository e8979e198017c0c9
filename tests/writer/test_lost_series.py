"""Series and fences that a server should have: what it lacks is written again, and told once."""

import json
from collections.abc import Iterator

import pytest
import redis

from harness.redis_server import RedisServer
from labkit.keyspace.connection import connect
from labkit.keyspace.keys import Keys
from labkit.writer.timing import Timing
from tests.writer.fault_proxy import FaultProxy
from tests.writer.quiet_writer import QuietWriter, accounts_are_settled
from tests.writer.test_flush_lua import batch, replies
from tests.writer.test_flusher import World

MANY = 3000


@pytest.fixture
def many(redis_url: str) -> Iterator[QuietWriter]:
    """A writer of more series than fit into the batches that are in flight at once, all of them in Redis."""
    with QuietWriter(redis_url, flush_interval=600) as writer:
        _record(writer)
        yield writer


def _record(writer: QuietWriter) -> None:
    counter = writer.counter("c", "Help.", ["n"])
    for n in range(MANY):
        counter.labels(n=n).inc()
    writer.flush()


@pytest.mark.parametrize("series", [1, MANY])
def test_what_redis_lacks_is_told_once(
    many: QuietWriter, redis_client: redis.Redis, caplog: pytest.LogCaptureFixture, series: int
) -> None:
    """All series return, though all are recorded to meanwhile; the log has one line, and the loss is counted."""
    redis_client.delete(*redis_client.keys("metrics:*")[:series])
    for _ in range(2):
        _record(many)
    assert len(redis_client.keys("metrics:*")) == MANY
    assert 1 <= many.stats().missing <= series
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    accounts_are_settled(many, calls=3 * MANY)


def test_a_server_that_lost_all_is_told_once(
    many: QuietWriter, redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """All series return, with one line about the batches and one about the data."""
    redis_client.flushall()
    for _ in range(2):
        _record(many)
    assert len(redis_client.keys("metrics:*")) == MANY
    forgot, lost = (record.getMessage() for record in caplog.records)
    assert "forgot" in forgot
    assert "lost its data" in lost
    accounts_are_settled(many, calls=3 * MANY)


def test_every_series_that_is_missing_alone_is_counted(redis_url: str, redis_client: redis.Redis) -> None:
    """Deleted by hand, or evicted: the writer says how many, and they are there again, with what is recorded."""
    with QuietWriter(redis_url, flush_interval=600) as writer:
        counters = [writer.counter(f"c{n}", "Help.") for n in range(5)]
        for rounds in (1, 2):
            for counter in counters:
                counter.inc()
            writer.flush()
            assert writer.stats().missing == (0 if rounds == 1 else 2)
            redis_client.delete("metrics:counter:c1", "metrics:counter:c3")
        writer.flush()
        assert json.loads(redis_client.get("metrics:counter:c0") or "")["value"] == 2


def test_a_removal_found_late_does_not_put_what_came_back_to_rest(own_server: RedisServer) -> None:
    """The series was recorded to behind the refresh that came too late: it lives as long as its writer."""
    key, proxy = "metrics:counter:events:n=1", FaultProxy(own_server.port)
    with connect(proxy.url) as client:
        world = World(client)
        world.record(each=1)
        world.flush()
        proxy.arm("before the request")
        world.now += Timing().refresh_after
        world.flush()
        assert world.outbox.series
        replies(own_server.client, batch(1, {key: ["remove"]}, "other"))
        world.record(each=1)
        world.flush()
        assert json.loads(client.get(key) or "")["value"] == 0.5
        client.pexpire(key, 1_000)
        world.now += Timing().refresh_after
        world.flush()
        assert client.pttl(key) > 1_000
    proxy.close()


def test_fences_do_not_end_by_themselves(redis_url: str, redis_client: redis.Redis) -> None:
    """No policy that evicts what has a time to live can take the proof that a batch was applied."""
    with QuietWriter(redis_url, flush_interval=600) as writer:
        writer.counter("c", "Help.").inc()
        writer.flush()
        keys = Keys()
        assert [redis_client.ttl(key) for key in (keys.fences, keys.writers, keys.state, keys.index)] == [-1] * 4
