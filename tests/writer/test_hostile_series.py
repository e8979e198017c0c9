"""lua/flush.lua among texts that somebody wrote to hold the server up: none does, and what is written is JSON."""

import json
from collections.abc import Callable

import pytest
import redis

from harness.redis_server import RedisServer, processor_seconds
from labkit.keyspace.keys import Keys
from labkit.writer.scripts import WriteScripts
from tests.writer.test_flush_lua import Operation, add, batch, observe, replies

TIMES = '"created":1795380316.301,"updated":1795380316.302}'
SIZES = (250, 1000, 1024, 12_000, 32_000, 100_000)
BATCH = 64


def ascending(size: int, seed: int = 0) -> str:
    """Return numbers in ascending order, `size` bytes of them; others for every seed."""
    return ",".join(str(seed + n) for n in range(1000, 1000 + size // 5))


# How a text of about this size looks, for the nth series of a batch.
HOSTILE: dict[str, Callable[[int, int], str]] = {
    "digits": lambda size, _: '{"value":' + "1" * size + "," + TIMES,
    "digits, unfinished": lambda size, _: '{"value":' + "1" * size,
    "a long carry": lambda size, _: '{"value":1,"carry":' + "1" * size + "," + TIMES,
    "a long time": lambda size, _: '{"value":1,"created":' + "1" * size + " }",
    "a long lease": lambda size, _: '{"value":1,"combine":"sum","writers":0,"lease":' + "9" * size + "," + TIMES,
    "arrays": lambda size, _: "[" * size,
    "objects": lambda size, _: '{"a":' * (size // 5),
    "escapes": lambda size, _: '{"value":1,"x":"' + '\\"' * (size // 2) + '"}',
    "many bounds": lambda size, n: f'{{"bounds":[{ascending(size, n)}],"counts":[1,2],"sum":0,"count":3,{TIMES}',
    "points for bounds": lambda size, _: '{"bounds":[' + "." * size + f'],"counts":[1],"sum":0,"count":1,{TIMES}',
    "commas for bounds": lambda size, _: '{"bounds":[' + "," * size + f'],"counts":[1],"sum":0,"count":1,{TIMES}',
    "many counts": lambda size, _: '{"bounds":[5],"counts":[' + "1," * (size // 2) + f'1],"sum":0,"count":1,{TIMES}',
    "a long count": lambda size, _: '{"bounds":[5],"counts":[1,' + "1" * size + f'],"sum":0,"count":1,{TIMES}',
    "a long total": lambda size, _: '{"bounds":[5],"counts":[1,2],"sum":0,"count":' + "9" * size + f",{TIMES}",
}
# Like labkit's own JSON, but no JSON, or of numbers that no double holds: what is written must not be like them.
ODD = {
    "a time with zeros": '{"value":1,"created":0001.5,"updated":2.5}',
    "a value with zeros": '{"value":007,"created":1.5,"updated":2.5}',
    "a value without end": '{"value":1e400,"created":1.5,"updated":2.5}',
    "a hexadecimal value": '{"value":0x10,"created":1.5,"updated":2.5}',
    "a total without end": '{"bounds":[1],"counts":[1,2],"sum":0,"count":' + "9" * 400 + f",{TIMES}",
    "commas": '{"bounds":[,,1],"counts":[1,2],"sum":0,"count":3,"created":1.5,"updated":2.5}',
    "a bound with a sign": '{"bounds":[+1],"counts":[1,2],"sum":0,"count":3,"created":1.5,"updated":2.5}',
    "a bound that ends in a point": '{"bounds":[1.],"counts":[1,2],"sum":0,"count":3,"created":1.5,"updated":2.5}',
    "a bound with zeros": '{"bounds":[01],"counts":[1,2],"sum":0,"count":3,"created":1.5,"updated":2.5}',
    "a bound without end": '{"bounds":[1e400],"counts":[1,2],"sum":0,"count":3,"created":1.5,"updated":2.5}',
    "more writers than there are": f'{{"value":1,"combine":"sum","writers":99999999999,"lease":60,{TIMES}',
    "a lease for ever": f'{{"value":1,"combine":"sum","writers":0,"lease":{"9" * 200},{TIMES}',
}
OPERATIONS: dict[str, Operation] = {
    "counter": add(1.5),
    "gauge": ["gauge", "record", 1, 2],
    "gauge:shared": ["shared", "record", "sum", 2],
    "histogram": observe("5,10,15", [1, 1, 1, 1], 30),
}


def held_up(server: RedisServer, keys: list[str], operation: Operation, texts: dict[str, str] | None = None) -> float:
    """How long a batch for these series holds the server, in seconds of its processor time; the best of eight.

    Each finds the `texts` as they were: a batch that takes one writes it anew, and the next would have it easier.
    """
    WriteScripts(server.client, Keys()).load()
    costs = []
    for number in range(1, 9):
        if texts:
            server.client.mset(texts)
        before = processor_seconds(server)
        replies(server.client, batch(number, dict.fromkeys(keys, operation)))
        costs.append(processor_seconds(server) - before)
    return min(costs)


@pytest.mark.parametrize("kind", OPERATIONS)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_text_holds_the_server_up(
    redis_server: RedisServer, redis_client: redis.Redis, text: Callable[[int, int], str], kind: str
) -> None:
    """A batch of 64 series with hostile texts costs less than 5 ms of the server's processor time, at every size."""
    keys = [f"metrics:{kind}:n={n}" for n in range(BATCH)]
    for size in SIZES:
        redis_client.flushall()
        texts = {key: text(size, n) for n, key in enumerate(keys)}
        assert held_up(redis_server, keys, OPERATIONS[kind], texts) < 0.005, f"{size} bytes"


def test_half_a_gigabyte_holds_nothing_up(redis_server: RedisServer, redis_client: redis.Redis) -> None:
    """Of the longest value that Redis can hold, no more is read than of any other."""
    key = "metrics:counter:longest"
    redis_client.set(key, '{"value":111')
    redis_client.setrange(key, 2**29 - 1, "1")
    assert held_up(redis_server, [key], add(1)) < 0.005
    redis_client.unlink(key)


@pytest.mark.parametrize("kind", OPERATIONS)
@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_what_is_written_is_json(redis_client: redis.Redis, text: str, kind: str) -> None:
    """Odd texts are left as they are, with a reason, or become JSON of finite numbers; they are never an error."""
    key = f"metrics:{kind}"
    redis_client.set(key, text)
    (reply,) = replies(redis_client, batch(1, {key: OPERATIONS[kind], "metrics:counter:ok": add(1)}))
    assert not isinstance(reply, Exception), reply
    held = redis_client.get(key)
    assert isinstance(held, bytes)
    assert held == text.encode() if key in reply.skipped else json.loads(held, parse_constant=_refuse)
    assert redis_client.exists("metrics:counter:ok")


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def test_one_text_costs_no_other_its_place(redis_client: redis.Redis) -> None:
    """What is too long to be looked at leaves room for what is not."""
    redis_client.set("metrics:histogram:long", HOSTILE["many bounds"](30_000, 0))
    redis_client.set("metrics:histogram:short", '{"bounds":[1],"counts":[1,2],"sum":0,"count":3,' + TIMES)
    operations = {f"metrics:histogram:{name}": OPERATIONS["histogram"] for name in ("long", "short")}
    (reply,) = replies(redis_client, batch(1, operations))
    assert not isinstance(reply, Exception), reply
    assert (reply.skipped, reply.folded) == ({"metrics:histogram:long": "length"}, ("metrics:histogram:short",))
