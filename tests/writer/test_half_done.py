"""A script that fails half-way keeps its writes, so it must fail before the first one: whatever it is refused."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress

import pytest
import redis

from harness.process import wait_until
from harness.redis_server import RedisServer
from labkit import FlushError
from labkit.resources import resource
from tests.writer.quiet_writer import QuietWriter, accounts_are_settled, accounts_balance

SCRIPT = resource("lua", "flush.lua").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r'call\("([A-Z]+)"', SCRIPT)))
BOOKKEEPING = ("state", "index", "meta", "removed", "fences", "writers")
ODD_STATES = [
    *[("version", text) for text in ("1.0.0", "", "-1", "1.5", "nan", "1e400", "0x10")],
    *[(field, "x") for field in ("epoch", "swept", "goal")],
]


class Recorder:
    """A writer that sends every operation there is in each batch, and what Redis must hold of it."""

    def __init__(self, server: RedisServer) -> None:
        self.admin, self.rounds, self.calls = server.client, 0, 0
        self.allow("reset", "on", "nopass", "~*", "+@all")
        self.url = f"redis://writer:any@127.0.0.1:{server.port}/0"
        self.writer = QuietWriter(self.url, flush_interval=600)
        self._counter, self._gauge = self.writer.counter("c", "Help."), self.writer.gauge("g", "Help.")
        self._sum = self.writer.gauge("s", "Help.", shared="sum")
        self._most = self.writer.gauge("m", "Help.", shared="max")
        self._histogram = self.writer.histogram("h", "Help.", buckets=(1, 2))
        self._doomed = self.writer.counter("doomed", "Help.", ["n"])

    def allow(self, *rules: str) -> None:
        """Change the rights of the writer's user."""
        self.admin.execute_command("ACL", "SETUSER", "writer", *rules)

    def record(self) -> None:
        """Change every series, remove one, and declare one more."""
        self.rounds += 1
        self._counter.inc(10)
        self._gauge.inc()
        self._sum.set(self.rounds)
        self._most.set(self.rounds)
        self._histogram.observe(1.5)
        self._doomed.labels(n=self.rounds)
        self._doomed.remove(n=self.rounds - 1)
        self.writer.counter(f"extra_{self.rounds}", "Help.").inc()
        self.calls += 6

    def attempt(self) -> bool:
        """Let the writer try once; return whether all was taken."""
        failed = self._failed()
        with suppress(FlushError):
            self.writer.flush(timeout=0)
        wait_until(lambda: not self.writer.stats().pending or self._failed() > failed, "an attempt")
        return self._failed() == failed

    def in_vain(self, times: int = 3) -> None:
        """Let the writer try to send what cannot be taken whole: whenever it is refused again, nothing changes."""
        self.record()
        counter = self.admin.get("metrics:counter:c")
        # A batch of removals, which goes first, may be taken.
        assert self.attempt() or self.admin.get("metrics:counter:c") == counter
        before = self.dump()
        for _ in range(times):
            assert self.attempt() or self.changed_since(before) == []

    def changed_since(self, before: dict[bytes, object]) -> list[bytes]:
        """The keys that are not what they were, byte for byte and in their time to live."""
        now = self.dump()
        return [key for key in sorted(before | now) if before.get(key) != now.get(key)]

    def dump(self) -> dict[bytes, object]:
        return {key: (self.admin.dump(key), self.admin.pexpiretime(key)) for key in self.admin.scan_iter()}

    def is_exact(self) -> None:
        """Redis holds what was recorded, each once."""
        self.writer.flush(timeout=20)
        held = {key: json.loads(self.admin.get(f"metrics:{key}") or "{}") for key in ("counter:c", "histogram:h")}
        assert held["counter:c"]["value"] == 10 * self.rounds
        assert (held["histogram:h"]["counts"], held["histogram:h"]["sum"]) == ([0, self.rounds, 0], 1.5 * self.rounds)
        assert self.admin.exists(f"metrics:counter:doomed:n={self.rounds - 1}") == 0
        assert [self._gauge_value(name) for name in "gsm"] == [self.rounds] * 3

    def _gauge_value(self, name: str) -> object:
        return json.loads(self.admin.get(f"metrics:gauge:{name}") or "{}").get("value")

    def _failed(self) -> int:
        return self.writer.stats().batches["failed"]


@pytest.fixture
def recorder(redis_server: RedisServer, redis_client: redis.Redis) -> Iterator[Recorder]:
    """Two rounds are in Redis: after them it has every key that there is, and leftovers of others to clean up."""
    recorder = Recorder(redis_server)
    with recorder.writer, QuietWriter(redis_server.url, flush_interval=600) as dead:
        dead.gauge("s", "Help.", shared="sum").set(100)
        dead.flush()
        name = redis_client.zrange("metrics.leases:gauge:s", 0, 0)[0]
        assert isinstance(name, bytes)
        for _ in range(2):
            recorder.record()
            recorder.writer.flush()
        redis_client.zadd("metrics.leases:gauge:s", {name: 1})
        redis_client.zadd("metrics.index", {"metrics:counter:expired": 0})
        redis_client.zadd("metrics.removed", {"metrics:counter:removed_long_ago": 0})
        redis_client.hset("metrics.fences", "ended", "7")
        redis_client.zadd("metrics.writers", {"ended": 0})
        yield recorder
        accounts_balance(recorder.writer)
    redis_client.acl_deluser("writer")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_user_who_may_not_call_a_command(recorder: Recorder, command: str) -> None:
    """A batch that is refused is refused whole, at every retry; with the right given back, all is there once."""
    recorder.allow(f"-{command}")
    recorder.in_vain()
    recorder.allow(f"+{command}")
    recorder.is_exact()
    accounts_are_settled(recorder.writer, recorder.calls)


@pytest.mark.parametrize("name", BOOKKEEPING)
def test_a_key_of_the_bookkeeping_of_the_wrong_type(recorder: Recorder, name: str) -> None:
    """The same for a string where the script needs a hash or a sorted set."""
    recorder.admin.rename(f"metrics.{name}", "elsewhere")
    recorder.admin.set(f"metrics.{name}", "foreign")
    recorder.in_vain()
    recorder.admin.rename("elsewhere", f"metrics.{name}")
    recorder.is_exact()
    accounts_are_settled(recorder.writer, recorder.calls)


@pytest.mark.parametrize(("field", "text"), ODD_STATES)
def test_an_odd_state(recorder: Recorder, field: str, text: str) -> None:
    """The same for a version that is no number, and whatever else a hand may have written there."""
    recorder.admin.hset("metrics.state", field, text)
    recorder.in_vain()
    recorder.is_exact()
    assert recorder.admin.hget("metrics.state", "version")


def test_a_damaged_version(recorder: Recorder) -> None:
    """Versions begin again, and so does the epoch: readers would wait for the old ones."""
    before = recorder.admin.hget("metrics.state", "epoch")
    recorder.admin.hset("metrics.state", "version", "1.0.0")
    recorder.record()
    recorder.is_exact()
    assert recorder.admin.hget("metrics.state", "epoch") != before


def test_two_ways_to_share_a_gauge(recorder: Recorder) -> None:
    """While those live who share it in one way, another way is skipped and counted, and theirs stays exact."""
    with QuietWriter(recorder.url, flush_interval=600) as next_version:
        next_version.gauge("m", "Help.", shared="min").set(-1)
        next_version.flush()
        assert next_version.stats().dropped == {"shared": 1}
        recorder.record()
        recorder.is_exact()


@pytest.mark.parametrize("text", ["x", "", "nan", "2.5", "-1", "1e400"])
def test_a_fence_that_is_no_number(recorder: Recorder, text: str) -> None:
    """The batch waits until somebody has deleted the fence."""
    fences = recorder.admin.hkeys("metrics.fences")
    recorder.admin.hset("metrics.fences", mapping=dict.fromkeys(fences, text))
    recorder.in_vain()
    assert not recorder.attempt()
    recorder.admin.hdel("metrics.fences", *fences)
    recorder.is_exact()
    accounts_are_settled(recorder.writer, recorder.calls)


def test_what_the_dead_leave(recorder: Recorder) -> None:
    """What they held no longer counts; expired series, old tombstones and old fences are forgotten."""
    recorder.record()
    recorder.is_exact()
    admin = recorder.admin
    assert admin.zscore("metrics.index", "metrics:counter:expired") is None
    assert admin.zscore("metrics.removed", "metrics:counter:removed_long_ago") is None
    assert not admin.hexists("metrics.fences", "ended")
    assert sorted(admin.hkeys("metrics.fences")) == sorted(admin.zrange("metrics.writers", 0, -1))


def test_a_writer_that_comes_back_late(recorder: Recorder) -> None:
    """Its batch does not forget its own fence, even if that could have been forgotten."""
    fences = [name for name in recorder.admin.hkeys("metrics.fences") if isinstance(name, bytes)]
    recorder.admin.zadd("metrics.writers", dict.fromkeys(fences, 0))
    recorder.record()
    recorder.is_exact()
    assert recorder.admin.hlen("metrics.fences") == 1
    recorder.record()
    recorder.is_exact()
    assert recorder.writer.stats().batches["forgotten"] == 0
