"""Every fault a network or a server has: nothing recorded is lost, and nothing is counted twice."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from time import time
from typing import Any

import pytest
import redis

from harness.process import wait_until
from harness.redis_server import RedisServer
from labkit import FlushError
from labkit.keyspace.connection import connect
from tests.redis_server import SERVERS, start_server
from tests.writer.fault_proxy import Fault, FaultProxy
from tests.writer.quiet_writer import QuietWriter, accounts_are_settled, accounts_balance
from tests.writer.replicated import Replicated


def held(client: redis.Redis, key: str) -> Any:
    text = client.get(f"metrics:{key}")
    return json.loads(text) if isinstance(text, bytes) else {}


@pytest.fixture
def proxy(own_server: RedisServer) -> Iterator[FaultProxy]:
    """A way to the server that can be broken."""
    proxy = FaultProxy(own_server.port)
    yield proxy
    proxy.close()


@pytest.fixture
def writer(proxy: FaultProxy) -> Iterator[QuietWriter]:
    """A writer behind the proxy that gives up on a reply after 0.3 s, and sends by itself only to try again.

    When the test is over, all that it recorded is accounted for, and nothing waits.
    """
    with QuietWriter(f"{proxy.url}?socket_timeout=0.3", flush_interval=600) as service:
        service.counter("c", "Help.").inc()
        service.flush()
        yield service
        accounts_balance(service)
    accounts_balance(service)
    assert service.stats().pending == 0


def refused(writer: QuietWriter, reason: str, amount: float = 1) -> None:
    """Record more, and see it refused for this `reason`."""
    writer.counter("c", "Help.").inc(amount)
    with pytest.raises(FlushError, match=f"(?i){reason}"):
        writer.flush(timeout=1.0)


def is_refused(writer: QuietWriter, reason: str) -> bool:
    """Whether an attempt to send is refused for this reason: a busy server may not even say it in time."""
    try:
        writer.flush(timeout=1.0)
    except FlushError as error:
        return reason in str(error).lower()
    return False


def follow(replica: RedisServer, primary: RedisServer) -> None:
    """Make one server the replica of another, without the usual wait for more replicas."""
    primary.client.config_set("repl-diskless-sync-delay", 0)
    replica.client.slaveof("127.0.0.1", primary.port)


def exactly(writer: QuietWriter, client: redis.Redis, total: float, calls: int) -> None:
    """Flush, and find this total of the counter, and that the writer accounts for so many calls of the test."""
    writer.flush(timeout=60)
    assert held(client, "counter:c")["value"] == total
    accounts_are_settled(writer, calls)


@pytest.mark.parametrize("fault", ["before the request", "after the request", "inside the reply"])
def test_a_cut_connection(writer: QuietWriter, proxy: FaultProxy, own_server: RedisServer, fault: Fault) -> None:
    """Wherever the connection breaks, the batch is applied once; the fence proves it was there already."""
    histogram = writer.histogram("h", "Help.", buckets=(1, 2))
    for n in range(3):
        proxy.arm(fault)
        writer.counter("c", "Help.").inc(10)
        histogram.observe(1.5)
        writer.flush()
        assert proxy.struck == n + 1
    exactly(writer, own_server.client, 31, calls=7)
    assert (held(own_server.client, "histogram:h")["counts"], held(own_server.client, "histogram:h")["sum"]) == (
        [0, 3, 0],
        4.5,
    )
    assert writer.stats().batches["duplicate"] == (0 if fault == "before the request" else 3)


def test_a_cut_between_the_replies_of_many_batches(
    writer: QuietWriter, proxy: FaultProxy, own_server: RedisServer
) -> None:
    """Of several batches in one round trip, some answered and some not, each is applied once."""
    events = writer.counter("e", "Help.", ["n"])
    for n in range(3000):
        events.labels(n=n).inc(n)
    proxy.arm("inside the reply")
    exactly(writer, own_server.client, 1, calls=3001)
    assert proxy.struck == 1
    texts = own_server.client.mget([f"metrics:counter:e:n={n}" for n in range(3000)])
    assert [json.loads(text or "{}").get("value") for text in texts] == list(range(3000))


def test_a_slow_network(writer: QuietWriter, proxy: FaultProxy, own_server: RedisServer) -> None:
    """A reply that comes after the writer gave up is never taken for the answer to something else."""
    proxy.delay = 0.5
    refused(writer, "timeout|timed out")
    proxy.delay = 0.0
    exactly(writer, own_server.client, 2, calls=2)


def test_a_paused_network(writer: QuietWriter, proxy: FaultProxy, own_server: RedisServer) -> None:
    """Batches that were held up arrive late, perhaps several times, and count once."""
    proxy.pause()
    refused(writer, "timeout|timed out")
    proxy.resume()
    exactly(writer, own_server.client, 2, calls=2)


def test_an_outage_longer_than_the_ttl(own_server: RedisServer) -> None:
    """Series that nobody could refresh have expired: counters begin with what was recorded since, gauges return."""
    with QuietWriter(own_server.url, flush_interval=0.9, ttl=1.0) as writer:
        counter, gauge = writer.counter("c", "Help."), writer.gauge("g", "Help.")
        counter.inc(10)
        gauge.set(3)
        writer.flush()
        dies_at = own_server.client.pexpiretime("metrics:counter:c")
        own_server.kill()
        counter.inc(1)
        wait_until(lambda: time() * 1000 > dies_at, "the end of the ttl")
        own_server.start()
        exactly(writer, own_server.client, 1, calls=3)
        assert held(own_server.client, "gauge:g")["value"] == 3


def test_a_killed_server(writer: QuietWriter, proxy: FaultProxy, own_server: RedisServer) -> None:
    """kill -9 after a batch was applied and before it was answered: the file says that it was."""
    proxy.arm("after the request")
    writer.counter("c", "Help.").inc(5)
    with pytest.raises(FlushError):
        writer.flush(timeout=0.05)
    own_server.kill()
    own_server.start()
    exactly(writer, own_server.client, 6, calls=2)


def test_noscript(writer: QuietWriter, own_server: RedisServer) -> None:
    """A server that forgot the script is given it again, even with several batches on the way."""
    own_server.client.script_flush()
    events = writer.counter("e", "Help.", ["n"])
    for n in range(1000):
        events.labels(n=n).inc()
    exactly(writer, own_server.client, 1, calls=1001)
    texts = own_server.client.mget([f"metrics:counter:e:n={n}" for n in range(1000)])
    assert [json.loads(text or "{}").get("value") for text in texts] == [1] * 1000


def test_oom(writer: QuietWriter, own_server: RedisServer) -> None:
    """A full server refuses a batch whole, and takes it when there is room."""
    own_server.client.config_set("maxmemory-policy", "noeviction")
    own_server.client.config_set("maxmemory", "1")
    refused(writer, "maxmemory")
    own_server.client.config_set("maxmemory", "0")
    exactly(writer, own_server.client, 2, calls=2)


def test_readonly(writer: QuietWriter, own_server: RedisServer, other_server: RedisServer) -> None:
    """A server made a replica refuses whole batches; when it is a primary again, it takes them."""
    follow(other_server, own_server)
    wait_until(lambda: own_server.client.info("replication")["connected_slaves"] == 1, "the replica")
    other_server.client.config_set("replica-read-only", "yes")
    wait_until(lambda: other_server.client.get("metrics:counter:c"), "the copy")
    with QuietWriter(other_server.url, flush_interval=600) as on_replica:
        refused(on_replica, "read.?only")
        other_server.client.slaveof()
        exactly(on_replica, other_server.client, 2, calls=1)


def test_misconf(writer: QuietWriter, own_server: RedisServer, tmp_path: Path) -> None:
    """A server that cannot save refuses whole batches, until it can."""
    (tmp_path / "dump.rdb").mkdir()  # a folder in the way of the file stops root as well
    own_server.client.config_set("save", "3600 1")
    own_server.client.bgsave()
    wait_until(lambda: own_server.client.info("persistence")["rdb_last_bgsave_status"] == "err", "the failure")
    refused(writer, "MISCONF|RDB snapshot")
    own_server.client.config_set("save", "")
    exactly(writer, own_server.client, 2, calls=2)


def test_busy(writer: QuietWriter, own_server: RedisServer) -> None:
    """While somebody's script runs for too long, the writer waits for it."""
    own_server.client.config_set("lua-time-limit", "10")
    endless = Thread(target=run_until_killed, args=(own_server.port,))
    endless.start()
    wait_until(lambda: says(own_server.client, "BUSY"), "the busy server")
    refused(writer, "busy")
    own_server.client.script_kill()
    endless.join()
    exactly(writer, own_server.client, 2, calls=2)


def run_until_killed(port: int) -> None:
    with redis.Redis(port=port, socket_timeout=60) as client, pytest.raises(redis.ResponseError):
        client.eval("while true do end", 0)


def says(client: redis.Redis, word: str) -> bool:
    try:
        client.ping()
    except redis.RedisError as error:
        return word.lower() in str(error).lower()
    return False


def test_loading(writer: QuietWriter, own_server: RedisServer, tmp_path: Path) -> None:
    """While a server reads its file it refuses whole batches; then it knows every one that it had."""
    own_server.kill()
    _append_slow_commands(tmp_path / "appendonlydir")
    restart = Thread(target=own_server.start)
    restart.start()
    with connect(own_server.url) as client:  # it tries once, where others wait until the server has loaded
        wait_until(lambda: says(client, "loading"), "the loading server")
    writer.counter("c", "Help.").inc()
    wait_until(lambda: is_refused(writer, "loading"), "the refusal")
    restart.join()
    wait_until(lambda: not writer.stats().pending, "an attempt that nobody asked for")
    exactly(writer, own_server.client, 2, calls=2)


def _append_slow_commands(folder: Path) -> None:
    """Give the server some seconds to read; between every 1024 commands it answers, and says that it is loading."""
    (file,) = folder.glob("*.incr.aof")
    script = "local i = 0 while i < 1000 do i = i + 1 end"
    with file.open("ab") as aof:
        aof.write(b"*3\r\n$4\r\nEVAL\r\n$%d\r\n%s\r\n$1\r\n0\r\n" % (len(script), script.encode()) * 240_000)


@pytest.fixture
def other_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A second Valkey of the test's own."""
    server = start_server("valkey", tmp_path_factory.mktemp("other"))
    yield server
    server.close()


def test_failover(other_server: RedisServer, writer: QuietWriter, proxy: FaultProxy, own_server: RedisServer) -> None:
    """A promoted replica has the fence with the series: a batch whose answer was lost is recognized."""
    follow(other_server, own_server)
    proxy.arm("after the request")
    writer.counter("c", "Help.").inc(5)
    with pytest.raises(FlushError):
        writer.flush(timeout=0.05)
    wait_until(lambda: held(other_server.client, "counter:c").get("value") == 6, "the copy")
    own_server.kill()
    other_server.client.slaveof()
    proxy.target = other_server.port
    exactly(writer, other_server.client, 6, calls=2)


@pytest.fixture(params=SERVERS)
def replicated(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Replicated]:
    """A server, its read-only replica, and a way to either of them."""
    place = Replicated(tmp_path, writers=1, server=request.param)
    yield place
    place.close()


@pytest.mark.parametrize("fault", ["before the request", "after the request", "inside the reply"])
def test_a_lagging_replica(replicated: Replicated, fault: Fault) -> None:
    """A batch breaks off, its writer meets a replica that lacks two of them, then the primary again: all count once."""
    with QuietWriter(replicated.proxies[0].url, flush_interval=600) as writer:
        counter = writer.counter("c", "Help.")
        for n in (1, 2):
            counter.inc(n)
            writer.flush()
            if n == 1:
                replicated.lag()
        replicated.mislead(0, fault)
        refused(writer, "read.?only", 10)
        replicated.accept()
        exactly(writer, replicated.primary.client, 13, calls=3)
        assert writer.stats().batches["forgotten"] == 0


def test_clear_on_a_lagging_replica(replicated: Replicated) -> None:
    """What is to be removed is not looked up in an index that lags: afterwards nothing is left."""
    with QuietWriter(replicated.proxies[0].url, flush_interval=600) as writer:
        events = writer.counter("e", "Help.", ["n"])
        replicated.lag()
        for n in range(3):
            events.labels(n=n).inc()
        writer.flush()
        replicated.lead_to_replica(0)
        events.clear()
        with pytest.raises(FlushError, match=r"(?i)read.?only"):
            writer.flush(timeout=1)
        replicated.accept()
        writer.flush(timeout=60)
        assert replicated.primary.client.keys("metrics:counter:e:*") == []


def _roll_back(server: RedisServer, folder: Path, snapshot: Path) -> None:
    """Kill the server and start it again with an older append-only file."""
    server.kill()
    shutil.rmtree(folder / "appendonlydir")
    shutil.copytree(snapshot, folder / "appendonlydir")
    server.start()


def test_a_rollback(writer: QuietWriter, own_server: RedisServer, tmp_path: Path) -> None:
    """An older state has lost what it had acknowledged, which is counted; what waits is applied once."""
    shutil.copytree(tmp_path / "appendonlydir", tmp_path / "snapshot")
    counter = writer.counter("c", "Help.")
    writer.counter("late", "Declared after the snapshot.")
    for _ in range(2):
        counter.inc(10)  # acknowledged, and forgotten
        writer.flush()
    counter.inc(100)
    _roll_back(own_server, tmp_path, tmp_path / "snapshot")
    exactly(writer, own_server.client, 101, calls=4)
    writer.flush()
    assert writer.stats().batches["forgotten"] == 2
    assert held(own_server.client, "counter:late")["value"] == 0
    assert own_server.client.hexists("metrics.meta", "late")


def test_a_rollback_to_before_the_writer(own_server: RedisServer, tmp_path: Path) -> None:
    """A state in which the writer does not occur, but others do, gets all of its series again."""
    with QuietWriter(own_server.url) as first:
        first.counter("c", "Help.").inc()
    shutil.copytree(tmp_path / "appendonlydir", tmp_path / "snapshot")
    with QuietWriter(own_server.url, flush_interval=600) as writer:
        for name in ("c", "late"):
            writer.counter(name, "Help.").inc(10)
        writer.flush()
        writer.counter("c", "Help.").inc(100)
        _roll_back(own_server, tmp_path, tmp_path / "snapshot")
        exactly(writer, own_server.client, 101, calls=3)
        writer.flush()
        assert held(own_server.client, "counter:late").get("value") == 0
        assert own_server.client.hexists("metrics.meta", "late")
        assert writer.stats().batches["forgotten"] == 1


def test_a_rollback_counts_a_process_once_in_a_shared_gauge(
    writer: QuietWriter, own_server: RedisServer, tmp_path: Path
) -> None:
    """Under its new name a writer replaces its entry of before."""
    writer.gauge("g", "Help.", shared="sum").set(5)
    writer.flush()
    shutil.copytree(tmp_path / "appendonlydir", tmp_path / "snapshot")
    for _ in range(2):
        writer.counter("c", "Help.").inc()
        writer.flush()
    _roll_back(own_server, tmp_path, tmp_path / "snapshot")
    writer.flush(timeout=60)
    writer.flush(timeout=60)
    assert held(own_server.client, "gauge:g")["value"] == 5
