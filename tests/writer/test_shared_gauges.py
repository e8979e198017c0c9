"""Shared gauges on real servers: what is shown is what the living hold, whoever died, left, or edited a key by hand."""

import json
import math
import random
from collections.abc import Callable
from typing import Any, cast

import pytest
import redis

from harness.redis_server import RedisServer, processor_seconds
from labkit.keyspace.keys import Keys
from labkit.writer.scripts import FlushReply, WriteScripts
from tests.writer.test_flush_lua import Operation, batch, held, replies

KEY = "metrics:gauge:g"
ENTRIES, LEASES = Keys().of_writers(KEY)
REDUCE: dict[str, Callable[[list[float]], float]] = {"sum": math.fsum, "min": min, "max": max}
AMOUNTS = (0, -0.0, 3, 0.1, 1e-9, -2.5, 1e15 + 0.5, 1e20, 1e308)
# What a hand may do to the three keys: none of it outlasts the next write of each writer.
DAMAGES: dict[str, Callable[[redis.Redis], object]] = {
    "the value": lambda client: client.set(KEY, '{"value":99,"created":1.5,"updated":2.5}'),
    "no value": lambda client: client.delete(KEY),
    "the number of writers": lambda client: client.set(KEY, _shared("sum", 99999999999)),
    "no entries": lambda client: client.delete(ENTRIES),
    "no leases": lambda client: client.delete(LEASES),
    "one entry more": lambda client: client.zadd(ENTRIES, {"x": 7}),
    "an entry without end": lambda client: client.zadd(ENTRIES, {"a": "inf"}),
}


def _shared(how: str, writers: int, lease: int = 60) -> str:
    as_shared = f'"combine":"{how}","writers":{writers},"lease":{lease}'
    return f'{{"value":1,{as_shared},"created":1795380316.301,"updated":1795380316.302}}'


class Writers:
    """Writers of one shared gauge, and what the living among them hold."""

    def __init__(self, client: redis.Redis, how: str) -> None:
        self.client, self.how = client, how
        self.holds: dict[str, float] = {}
        self._numbers: dict[str, int] = {}

    def write(self, writer: str, own: float | None) -> FlushReply:
        """Let a writer hold this, or nothing."""
        operation: Operation = ["shared", "record", self.how, *([] if own is None else [own])]
        number = self._numbers[writer] = self._numbers.get(writer, 0) + 1
        (reply,) = replies(self.client, batch(number, {KEY: operation}, writer))
        assert isinstance(reply, FlushReply), reply
        if not reply.skipped:
            self.holds.pop(writer, None)
            self.holds |= {} if own is None else {writer: own}
        return reply

    def kill(self, writer: str) -> None:
        """Let the lease of a writer end."""
        if self.holds.pop(writer, None) is not None:
            self.client.zadd(LEASES, {writer: 1})

    def is_exact(self) -> None:
        """Value and entries are those of the living; of what is beside 1e15 in a sum, 14 decimals are."""
        entries: dict[bytes, float] = dict(cast(Any, self.client.zrange(ENTRIES, 0, -1, withscores=True)))
        assert entries == {writer.encode(): own for writer, own in self.holds.items()}
        right = REDUCE[self.how](list(self.holds.values())) if self.holds else 0
        assert math.isclose(held(self.client, KEY)["value"], right, rel_tol=1e-15, abs_tol=1e-14)


@pytest.mark.parametrize("how", REDUCE)
@pytest.mark.parametrize("seed", range(3))
def test_the_value_is_that_of_the_living(redis_client: redis.Redis, how: str, seed: int) -> None:
    """Whatever writers set, withdraw or leave behind in whatever order, small amounts beside very great ones."""
    dice, writers = random.Random(seed), Writers(redis_client, how)
    for _ in range(150):
        name = dice.choice("abcdef")
        if dice.random() < 0.2:
            writers.kill(dice.choice([other for other in "abcdef" if other != name]))
        reply = writers.write(name, dice.choice([None, *AMOUNTS]))
        # More than a double can hold is nothing to show.
        assert reply.skipped in ({}, {KEY: "value"})
        if not reply.skipped:
            writers.is_exact()


def test_a_great_amount_is_written_again(redis_client: redis.Redis) -> None:
    """The old entry goes before the new one comes, as both are more than a double can hold; what it hid comes back."""
    writers = Writers(redis_client, "sum")
    for own in (1e308, 1e308, 1.5e308):
        assert writers.write("a", own).skipped == {}
        assert writers.write("b", 1e20).skipped == {}
        assert writers.write("c", 0.1).skipped == {}
    for name in "ab":
        writers.write(name, 0.2)
    writers.is_exact()


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_hand_in_the_keys(redis_client: redis.Redis, damage: Callable[[redis.Redis], object]) -> None:
    """When every writer has written again, the value is right again."""
    writers = Writers(redis_client, "sum")
    for _ in range(2):
        for number, name in enumerate("abc"):
            writers.write(name, number + 0.5)
        writers.is_exact()
        damage(redis_client)
    for number, name in enumerate("abc"):
        assert writers.write(name, number + 0.5).skipped == {}
    writers.is_exact()


@pytest.mark.parametrize("key", [ENTRIES, LEASES])
def test_a_foreign_type_beside_the_series(redis_client: redis.Redis, key: str) -> None:
    """It costs this gauge only, and stays as it is."""
    redis_client.rpush(key, "x")
    writers = Writers(redis_client, "sum")
    assert writers.write("a", 1).skipped == {KEY: "wrongtype"}
    assert redis_client.type(key) == b"list"


@pytest.mark.parametrize("how", REDUCE)
def test_ten_thousand_dead_writers(redis_server: RedisServer, redis_client: redis.Redis, how: str) -> None:
    """They go within ten writes, none of which holds the server up."""
    dead = [f"dead{n}" for n in range(10_000)]
    redis_client.zadd(ENTRIES, dict.fromkeys(dead, 2) | {"a": 1})
    redis_client.zadd(LEASES, dict.fromkeys(dead, 1) | {"a": 1})
    redis_client.set(KEY, _shared(how, len(dead) + 1).replace('"value":1', '"value":20001'))
    writers, costs = Writers(redis_client, how), []
    WriteScripts(redis_client, Keys()).load()
    for _ in range(10):
        before = processor_seconds(redis_server)
        writers.write("a", 3)
        costs.append(processor_seconds(redis_server) - before)
    writers.is_exact()
    assert sorted(costs)[len(costs) // 2] < 0.005, costs


@pytest.mark.parametrize("how", REDUCE)
def test_one_writer_costs_the_same_among_many(redis_server: RedisServer, redis_client: redis.Redis, how: str) -> None:
    """Among 10,000 others a flush of 64 shared gauges costs less than three times what it costs among one."""
    costs = {others: _cost_among(redis_server, redis_client, how, others) for others in (1, 1_000, 10_000)}
    assert max(costs.values()) < 3 * costs[1], costs


def _cost_among(server: RedisServer, client: redis.Redis, how: str, others: int) -> float:
    """The processor time of one batch for 64 gauges, in seconds; the best of five."""
    client.flushall()
    WriteScripts(client, Keys()).load()
    client.zadd(ENTRIES, {f"w{n}": n for n in range(others)})
    client.zadd(LEASES, {f"w{n}": 4e9 for n in range(others)})
    keys = [f"{KEY}:n={n}" for n in range(64)]
    for key in keys:
        for model, copy in zip((ENTRIES, LEASES), Keys().of_writers(key), strict=True):
            client.copy(model, copy)
        client.set(key, _shared(how, others, lease=4 * 10**9))
    operations: dict[str, Operation] = {key: ["shared", "record", how, 7.5] for key in keys}
    costs = []
    for number in range(1, 6):
        before = processor_seconds(server)
        replies(client, batch(number, operations))
        costs.append(processor_seconds(server) - before)
    return min(costs)


def test_the_shared_way_wins_over_the_last_value(redis_client: redis.Redis) -> None:
    """A writer that keeps the last value waits until nobody shares the gauge, and is told so; then it has its own."""
    last: Operation = ["gauge", "record", 1, 41]
    replies(redis_client, batch(1, {KEY: last}, "old"))
    writers = Writers(redis_client, "sum")
    assert writers.write("new", 5).skipped == {}
    (reply,) = replies(redis_client, batch(2, {KEY: last}, "old"))
    assert isinstance(reply, FlushReply)
    assert (reply.skipped, held(redis_client, KEY)["value"]) == ({KEY: "shared"}, 5)
    writers.write("new", None)
    replies(redis_client, batch(3, {KEY: last}, "old"))
    assert json.loads(redis_client.get(KEY) or "")["value"] == 41
