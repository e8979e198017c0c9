"""A server that refuses for its own state is tried about as often as it is sent something: mended, it is used soon."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import cast

import pytest
import redis

from harness.process import free_port, wait_until
from harness.redis_server import RedisServer
from labkit import FlushError
from labkit.writer.probe import RHYTHM
from tests.redis_server import SERVERS
from tests.writer.quiet_writer import QuietWriter, accounts_are_settled
from tests.writer.replicated import Replicated
from tests.writer.test_faults import run_until_killed, says

# Below `RHYTHM`, which is then the longest wait.
INTERVAL = 0.5
State = Callable[[RedisServer], AbstractContextManager[None]]


@contextmanager
def full(server: RedisServer) -> Iterator[None]:
    """OOM."""
    server.client.config_set("maxmemory-policy", "noeviction")
    server.client.config_set("maxmemory", "1")
    yield
    server.client.config_set("maxmemory", "0")


@contextmanager
def without_its_primary(server: RedisServer) -> Iterator[None]:
    """READONLY."""
    server.client.slaveof("127.0.0.1", free_port())
    yield
    server.client.slaveof()


@contextmanager
def without_replicas(server: RedisServer) -> Iterator[None]:
    """NOREPLICAS."""
    server.client.config_set("min-replicas-to-write", 1)
    yield
    server.client.config_set("min-replicas-to-write", 0)


@contextmanager
def without_a_disk(server: RedisServer) -> Iterator[None]:
    """MISCONF: a folder is in the way of its file."""
    in_the_way = Path(cast(dict[str, str], server.client.config_get("dir"))["dir"]) / "dump.rdb"
    in_the_way.mkdir()
    server.client.config_set("save", "3600 1")
    server.client.bgsave()
    wait_until(lambda: server.client.info("persistence")["rdb_last_bgsave_status"] == "err", "the failure")
    yield
    server.client.config_set("save", "")
    in_the_way.rmdir()


@contextmanager
def busy(server: RedisServer) -> Iterator[None]:
    """BUSY."""
    server.client.config_set("lua-time-limit", "10")
    endless = Thread(target=run_until_killed, args=(server.port,))
    endless.start()
    wait_until(lambda: says(server.client, "BUSY"), "the busy server")
    yield
    server.client.script_kill()
    endless.join()


def attempt(writer: QuietWriter) -> None:
    """Have the writer try once, in vain."""
    failed = writer.stats().batches["failed"]
    with suppress(FlushError):
        writer.flush(timeout=0)
    wait_until(lambda: writer.stats().batches["failed"] > failed, "an attempt")


def is_soon(writer: QuietWriter) -> None:
    """After so many attempts, the wait would be at its longest: 15 to 30 s."""
    for _ in range(8):
        attempt(writer)
    assert 0 <= writer.stats().seconds_to_next_try <= RHYTHM


def comes_by_itself(writer: QuietWriter, client: redis.Redis) -> None:
    """Nobody asks for it: what waited arrives, once."""
    wait_until(lambda: not writer.stats().pending, "the next attempt")
    assert json.loads(cast(bytes, client.get("metrics:counter:c")))["value"] == 11
    accounts_are_settled(writer, calls=2)


@contextmanager
def recording(url: str) -> Iterator[QuietWriter]:
    """A writer that has sent 1."""
    with QuietWriter(url, flush_interval=INTERVAL) as writer:
        writer.counter("c", "Help.").inc()
        writer.flush()
        yield writer


@pytest.mark.parametrize("state", [full, without_its_primary, without_replicas, without_a_disk, busy])
def test_a_server_that_is_mended(redis_server: RedisServer, redis_url: str, state: State) -> None:
    """However often it refused, it is tried again within a second, or within the flush interval if that is longer."""
    with recording(redis_url) as writer:
        with state(redis_server):
            writer.counter("c", "Help.").inc(10)
            is_soon(writer)
        comes_by_itself(writer, redis_server.client)


@pytest.mark.parametrize("server", SERVERS)
def test_a_replica_that_is_promoted(server: str, tmp_path: Path) -> None:
    """What came while it refused is in it, with what its primary had."""
    place = Replicated(tmp_path, writers=1, server=server)
    try:
        with recording(place.proxies[0].url) as writer:
            place.wait_for_the_copy()
            place.lead_to_replica(0)
            writer.counter("c", "Help.").inc(10)
            is_soon(writer)
            place.replica.client.slaveof()
            comes_by_itself(writer, place.replica.client)
    finally:
        place.close()


def test_a_refusal_costs_one_batch(redis_server: RedisServer, redis_url: str) -> None:
    """However much waits: the oldest batch alone asks whether the server takes it now, and then all of it goes."""
    with QuietWriter(redis_url, flush_interval=600) as writer:
        events = writer.counter("e", "Help.", ["n"])
        with full(redis_server):
            for n in range(3000):
                events.labels(n=n).inc()
            attempt(writer)
            before = _refusals(redis_server), writer.stats().batches["failed"]
            for _ in range(5):
                attempt(writer)
            now = _refusals(redis_server), writer.stats().batches["failed"]
        assert now[0] - before[0] == now[1] - before[1]
        writer.flush(timeout=60)
        accounts_are_settled(writer, calls=3000)


def _refusals(server: RedisServer) -> int:
    return int(cast(dict[str, dict[str, int]], server.client.info("errorstats"))["errorstat_OOM"]["count"])
