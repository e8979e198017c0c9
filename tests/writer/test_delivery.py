"""What becomes of batches that a server answers oddly: nothing else is lost, nothing counts twice."""

import json

import pytest
import redis

from labkit.keyspace.keys import Keys
from labkit.writer.batch import Batch
from labkit.writer.descriptor import Descriptor
from labkit.writer.instruments import Counter
from labkit.writer.registry import Registry
from tests.writer.quiet_writer import without_thread


class World:
    """A worker without its thread, and one counter."""

    def __init__(self, client: redis.Redis) -> None:
        self.client, registry = client, Registry(Keys(), 1000)
        self.worker = without_thread(client, registry)
        self.outbox = self.worker.outbox
        self.events = registry.declare(Descriptor("counter", "events", "Help."), Counter)

    def record_and_flush(self, times: int = 1) -> None:
        for _ in range(times):
            self.events.inc()
        self.worker.flush()

    @property
    def value(self) -> float:
        return float(json.loads(self.client.get("metrics:counter:events") or "")["value"])


@pytest.fixture
def world(redis_client: redis.Redis) -> World:
    """A writer whose first batch the server has applied."""
    world = World(redis_client)
    world.record_and_flush()
    return world


def test_a_fence_above_anything_sent_is_somebody_elses(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Its duplicates would swallow our batches: the writer takes another id, and says so."""
    before = world.outbox.writer
    world.client.hset("metrics.fences", before, 999)
    world.record_and_flush(5)
    assert (world.value, world.outbox.writer != before) == (6, True)
    assert world.worker.stats().batches["forgotten"] == 0
    assert "never sent" in caplog.text


def test_a_batch_that_no_server_can_read_is_set_aside(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """It is counted and named once; what waits behind it arrives."""
    world.outbox.add([("metrics:counter:odd", '["counter","record",', 3)], {})
    world.record_and_flush(5)
    stats = world.worker.stats()
    assert (world.value, stats.dropped, stats.pending, len(world.outbox)) == (6, {"rejected": 3}, 0, 0)
    assert stats.batches["rejected"] == 1
    assert caplog.text.count("metrics:counter:odd") == 1


def test_an_operation_that_the_server_cannot_apply_costs_its_own_series(world: World) -> None:
    """The rest of its batch is applied."""
    odd = ("metrics:counter:odd", '["unheard of","record",1]', 3)
    world.outbox.add([odd, ("metrics:counter:good", '["counter","record",2]', 1)], {})
    world.record_and_flush()
    assert world.worker.stats().dropped == {"operation": 3}
    assert json.loads(world.client.get("metrics:counter:good") or "")["value"] == 2


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("odd")])
def test_what_cannot_be_put_into_a_batch_stays_pending(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Values are given up when the batch has them, not before."""

    def fail(*_: object) -> Batch:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(world.outbox, "add", fail)
        world.record_and_flush(5)
        stats = world.worker.stats()
        assert (stats.recorded, stats.written, stats.pending) == (6, 1, 5)
    world.record_and_flush()
    assert (world.value, world.worker.stats().written) == (7, 7)
