"""The sweep of the index: entries of dead series go, wherever they are, at a small and constant cost."""

import pytest
import redis

from harness.redis_server import RedisServer, processor_seconds
from labkit.keyspace.keys import Keys
from labkit.writer.scripts import FlushReply, WriteScripts
from tests.writer.test_flush_lua import COUNTER, add, batch, replies

INDEX, STATE = Keys().index, Keys().state
# What a hand may have written where the script keeps how far it got. Lua takes more for a number than Redis does.
ODD = ("", "x", "nan", "inf", "-inf", "1e400", "0x10", " 5", "5 ", "1e5", "-1", "9007199254740993", "5\0", "1" * 10_000)


def fill(client: redis.Redis, living: int, dead: int) -> None:
    """Put long-lived series at the old end of the index, and dead ones behind them."""
    names = [f"metrics:counter:x:n={n}" for n in range(living + dead)]
    client.mset(dict.fromkeys(names[:living], "1"))
    client.zadd(INDEX, {name: version for version, name in enumerate(names, 1)})
    client.hset(STATE, mapping={"epoch": "e", "version": len(names)})


def flush(client: redis.Redis, number: int) -> FlushReply:
    (reply,) = replies(client, batch(number, {COUNTER: add(1)}))
    assert isinstance(reply, FlushReply), reply
    return reply


def test_the_dead_behind_the_long_lived(redis_client: redis.Redis) -> None:
    """They are found, within as many batches as there are steps of eight through the living."""
    fill(redis_client, living=400, dead=100)
    for number in range(1, 400 // 8 + 100 // 8 + 3):
        flush(redis_client, number)
    assert redis_client.zcard(INDEX) == 401


def test_the_dead_of_the_next_round(redis_client: redis.Redis) -> None:
    """A sweep that is through begins again."""
    fill(redis_client, living=50, dead=0)
    for number in range(1, 20):
        flush(redis_client, number)
    redis_client.delete(*(f"metrics:counter:x:n={n}" for n in range(50)))
    for number in range(20, 40):
        flush(redis_client, number)
    assert redis_client.zrange(INDEX, 0, -1) == [COUNTER.encode()]


def test_what_is_no_series(redis_client: redis.Redis) -> None:
    """It has no business in the index, whether there is such a key or not, UTF-8 or not, and however long it is."""
    redis_client.set("foreign", "1")
    foreign: dict[bytes, int] = {b"foreign": 1, b"\xff\xfe": 2, b"x" * 2**20: 3, b"": 4, b"metrics.index": 5}
    redis_client.zadd(INDEX, foreign)
    flush(redis_client, 1)
    assert redis_client.zrange(INDEX, 0, -1) == [COUNTER.encode()]


@pytest.mark.parametrize("field", ["swept", "goal", "version", "epoch"])
@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_an_odd_state_stops_neither_batch_nor_sweep(redis_client: redis.Redis, field: str, text: str) -> None:
    """Whatever is written there, batches are applied and the dead go."""
    fill(redis_client, living=10, dead=10)
    flush(redis_client, 1)
    redis_client.hset(STATE, field, text)
    for number in range(2, 9):
        assert flush(redis_client, number).status == "applied"
    assert redis_client.zcard(INDEX) == 11


def test_a_sweep_costs_the_same_among_many(redis_server: RedisServer, redis_client: redis.Redis) -> None:
    """Fifty batches cost less than twice as much beside 100,000 series as beside 100."""
    costs = {}
    for living in (100, 100_000):
        redis_client.flushall()
        fill(redis_client, living, dead=0)
        WriteScripts(redis_client, Keys()).load()
        before = processor_seconds(redis_server)
        for number in range(1, 51):
            flush(redis_client, number)
        costs[living] = processor_seconds(redis_server) - before
    assert costs[100_000] < 2 * costs[100], costs
