"""The flush thread's work without the thread: an hour passes in a second, and the server really is away."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import redis

from harness.process import free_port
from harness.redis_server import RedisServer, processor_seconds
from labkit.keyspace.connection import connect
from labkit.keyspace.keys import Keys
from labkit.writer.backoff import CEILING
from labkit.writer.batch import Outbox
from labkit.writer.declaration import Declaration
from labkit.writer.delivery import Delivery
from labkit.writer.flusher import FOLD_AT, Flusher
from labkit.writer.metrics import Counter, Gauge, Histogram
from labkit.writer.probe import Probe
from labkit.writer.registry import Registry
from labkit.writer.scripts import WriteScripts
from labkit.writer.telemetry import Telemetry, WriterStats
from labkit.writer.timing import Timing
from tests.writer.fault_proxy import FaultProxy
from tests.writer.quiet_writer import Home

HOUR = 3600.0


@dataclass
class World:
    """A flusher, what it sends, and a clock that only the test moves."""

    client: redis.Redis
    now: float = 0.0
    waits: list[float] = field(default_factory=list)
    calls: int = 0

    def __post_init__(self) -> None:
        timing, self.registry, telemetry = Timing(), Registry(Keys(), 1000), Telemetry(Home())
        self.outbox = Outbox(timing)
        delivery = Delivery(self.outbox, WriteScripts(self.client, Keys()), self.registry, telemetry, "the server")
        self.flusher = Flusher(delivery, self.registry, telemetry, timing, Probe(self.client), clock=lambda: self.now)
        declare = self.registry.declare
        self.events = declare(Declaration("counter", "events", "Help.", ("n",)), Counter)
        self.took = declare(Declaration("histogram", "took", "Help.", ("n",), "ms", (5.0, 10.0)), Histogram)

    def record(self, each: int) -> None:
        """Record this often to each of ten counters and ten histograms, and fold as the flush thread does."""
        for n in range(10):
            counter, histogram = self.events.labels(n=n), self.took.labels(n=n)
            for _ in range(each):
                counter.inc(0.5)
                histogram.observe(7.5)
        self.calls += 20 * each
        self.flusher.fold()

    def flush(self) -> float:
        """Flush, and let the time pass until the next."""
        wait = self.flusher.flush()
        self.now += wait
        return wait

    def stats(self) -> WriterStats:
        """What the flusher says about itself, which must account for every call that was made here."""
        stats = self.flusher.stats()
        assert stats.recorded == self.calls == stats.written + sum(stats.dropped.values()) + stats.pending
        return stats


@pytest.fixture
def world(own_server: RedisServer) -> Iterator[World]:
    """A flusher whose server can be stopped, after its first flush."""
    with connect(own_server.url) as client:
        world = World(client)
        world.record(each=1)
        world.flush()
        yield world


def an_hour_of_outage(world: World) -> None:
    while sum(world.waits) < HOUR:
        world.record(each=40)
        world.waits.append(world.flush())
        assert all(len(series.records) < FOLD_AT for series in world.registry.series())
        assert len(world.outbox) <= 1


def all_is_there(world: World, server: RedisServer) -> None:
    """Every call is in the ten counters and the ten histograms, once."""
    each = world.calls / 20
    assert (world.stats().pending, world.stats().written, len(world.outbox)) == (0, world.calls, 0)
    for n in range(10):
        events = json.loads(server.client.get(f"metrics:counter:events:n={n}") or "")
        took = json.loads(server.client.get(f"metrics:histogram:took:n={n}") or "")
        assert (events["value"], took["counts"], took["sum"]) == (each * 0.5, [0, each, 0], each * 7.5)


def test_an_hour_without_a_server(world: World, own_server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """Memory follows the series, not the events; the log has two lines; the first flush afterwards has everything."""
    own_server.kill()
    an_hour_of_outage(world)
    stats = world.stats()
    assert (stats.batches["failed"], stats.pending) == (len(world.waits), world.calls - 20)
    assert stats.seconds_since_flush >= HOUR
    assert "refused" in stats.last_error
    own_server.start()
    assert world.flush() == Timing().flush_interval
    all_is_there(world, own_server)
    gone, back = (record.getMessage() for record in caplog.records)
    assert "nothing is lost" in gone
    assert f"after {len(world.waits)} failed attempts" in back


def test_an_hour_that_begins_with_a_lost_answer(own_server: RedisServer) -> None:
    """The batch whose fate nobody knows waits as it was, and what is recorded meanwhile never enters it."""
    proxy = FaultProxy(own_server.port)
    with connect(proxy.url) as client:
        world = World(client)
        world.record(each=1)
        world.flush()
        world.record(each=1)
        proxy.arm("after the request")
        proxy.target = free_port()  # the next connection finds nobody
        world.flush()
        an_hour_of_outage(world)
        assert (len(world.outbox), world.outbox.records) == (1, 20)
        proxy.target = own_server.port
        world.flush()
        assert world.stats().batches["duplicate"] == 1
        all_is_there(world, own_server)
    proxy.close()


def test_no_batch_of_histograms_holds_the_server_up(redis_server: RedisServer, redis_client: redis.Redis) -> None:
    """Of 64 histograms of 300 bounds with something in every bucket: less than 5 ms of its processor's time a batch."""
    world, costs = World(redis_client), []
    bounds = tuple(float(5 * n) for n in range(1, 301))
    took = world.registry.declare(Declaration("histogram", "long", "Help.", ("n",), "ms", bounds), Histogram)
    for _ in range(4):
        for child in [took.labels(n=n) for n in range(64)]:
            for bound in bounds:
                child.observe(bound)
        world.calls += 64 * len(bounds)
        before, batches = processor_seconds(redis_server), world.stats().batches["applied"]
        world.flush()
        costs.append((processor_seconds(redis_server) - before) / (world.stats().batches["applied"] - batches))
    assert min(costs) < 0.005, costs


def test_a_removed_gauge_rests_until_it_is_recorded_to(world: World) -> None:
    """Neither another flush interval nor the end of the writer brings back what somebody removed."""
    key = "metrics:gauge:holds"
    gauge = world.registry.declare(Declaration("gauge", "holds", "Help.", shared="sum"), Gauge)
    gauge.set(5)
    world.flush()
    assert world.client.exists(key)
    world.registry.let_rest(key)
    world.client.delete(key)
    world.flusher.retime(Timing(flush_interval=1))
    world.flush()
    assert not world.client.exists(key)
    world.flusher.finish()
    assert not world.client.exists(key)


def test_attempts_are_spread_and_have_a_ceiling(world: World, own_server: RedisServer) -> None:
    """From half a second up to 30 s, each wait is shortened by another part; an hour sees 120 to 260 attempts."""
    own_server.kill()
    an_hour_of_outage(world)
    longest = [min(CEILING, 0.5 * 2**n) for n in range(len(world.waits))]
    shares = [wait / limit for wait, limit in zip(world.waits, longest, strict=True)]
    assert all(0.5 < share <= 1 for share in shares)
    assert len(set(shares)) == len(shares)
    assert max(shares) - min(shares) > 0.3
    assert 120 <= len(world.waits) <= 260
