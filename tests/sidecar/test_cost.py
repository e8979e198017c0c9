"""What hostile series may cost: of Redis, which serves nobody else meanwhile, and of the sidecar."""

from collections.abc import Callable
from threading import Event
from time import process_time

import pytest
import redis

from labkit.keyspace.keys import Keys
from labkit.resources import resource
from labkit.sidecar.judging import judge
from labkit.sidecar.rendering import Lines, render
from labkit.sidecar.scripts import ReadScripts
from labkit.sidecar.series_cache import SeriesCache
from tests.sidecar.hostile import COUNTER, LARGE, Case

GOAL = 5.0  # ms
SCRIPT = resource("lua", "redis-exporter.lua").read_text()
MB = 2**20
LENGTHS = {"1 KB": 1024, "32 KB": 32 * 1024, "1 MB": MB, "64 MB": 64 * MB, "512 MB": 512 * MB}


def used(client: redis.Redis) -> float:
    """The processor time of the thread that runs commands, ms: on a busy machine, the clock says nothing."""
    cpu = client.info("cpu")
    return 1000 * float(cpu["used_cpu_user_main_thread"] + cpu["used_cpu_sys_main_thread"])


def cost(client: redis.Redis, command: Callable[[], object]) -> float:
    """The least that a command costs the server, of a few times."""
    command()
    costs = []
    for _ in range(3):
        before = used(client)
        command()
        costs.append(used(client) - before)
    return min(costs)


def costs_of(client: redis.Redis, key: bytes) -> dict[str, float]:
    """What each way to read this one series costs the server."""
    client.zadd("metrics.index", {key: 1})
    client.hset("metrics.state", mapping={"epoch": "e", "version": 1})
    scripts = ReadScripts(client, Keys())
    ways: dict[str, Callable[[], object]] = {
        "stock": lambda: client.eval_ro(SCRIPT, 0, "0"),
        "changed": lambda: scripts.changed("-inf"),
        "all": lambda: scripts.changed("-inf", everything=True),
        "read": lambda: scripts.read([key]),
    }
    return {name: cost(client, way) for name, way in ways.items()}


@pytest.mark.parametrize("case", LARGE.values(), ids=LARGE)
def test_no_series_holds_the_server(redis_client: redis.Redis, case: Case) -> None:
    """Whatever somebody wrote, none of the scripts' commands takes more than 5 ms for it."""
    key, value = case
    redis_client.set(key, value)
    assert max(costs_of(redis_client, key).values()) < GOAL


@pytest.mark.parametrize("length", LENGTHS.values(), ids=LENGTHS)
def test_no_length_holds_the_server(redis_client: redis.Redis, length: int) -> None:
    """Nobody reads more of a value than a series may have."""
    redis_client.setrange(COUNTER, length - 1, b"1")
    assert max(costs_of(redis_client, COUNTER).values()) < GOAL
    redis_client.delete(COUNTER)


@pytest.mark.parametrize("length", [1024, 64 * 1024, MB])
def test_a_long_key_costs_what_it_takes_to_pass_it(redis_client: redis.Redis, length: int) -> None:
    """The index names it whole; that is all that is done with it."""
    key = COUNTER + b":a=" + b"1" * length
    redis_client.set(key, b'{"value":1}')
    assert max(costs_of(redis_client, key).values()) < GOAL


def test_many_long_keys_come_in_several_replies(redis_client: redis.Redis) -> None:
    """A reply ends before it has asked for all of them."""
    keys = [COUNTER + b":a=" + b"%d" % n * 8000 for n in range(10, 60)]
    redis_client.mset(dict.fromkeys(keys, b'{"value":1}'))
    redis_client.zadd("metrics.index", {key: n for n, key in enumerate(keys, 1)})
    redis_client.hset("metrics.state", mapping={"epoch": "e", "version": len(keys)})
    scripts, since, found = ReadScripts(redis_client, Keys()), "-inf", 0
    while since:
        assert cost(redis_client, lambda: scripts.changed(since)) < GOAL  # noqa: B023  called at once
        changes = scripts.changed(since)
        since, found = changes.reached, found + len(changes.series)
    assert found == len(keys)


@pytest.mark.parametrize("case", LARGE.values(), ids=LARGE)
def test_no_series_holds_the_sidecar(case: Case) -> None:
    """No pattern goes back, and nothing recurses."""
    started = process_time()
    render(*case)
    judge(*case)
    assert process_time() - started < 0.25


def test_what_cannot_be_read_is_judged_once(redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as it does not change, neither a walk nor a new version in the index costs anything."""
    judged = list[bytes]()

    def spy(key: bytes, json: bytes) -> Lines | str:
        judged.append(json)
        return judge(key, json)

    monkeypatch.setattr("labkit.sidecar.series_cache.judge", spy)
    redis_client.set(COUNTER, "garbage")
    cache = SeriesCache(redis_client, Keys())
    for version in (1, 2, 3):
        redis_client.zadd("metrics.index", {COUNTER: version})
        redis_client.hset("metrics.state", mapping={"epoch": "e", "version": version})
        cache.walk(Event())
    assert (len(judged), cache.skipped["json"]) == (1, 1)
    redis_client.set(COUNTER, "other garbage")
    cache.walk(Event())
    assert len(judged) == 2


@pytest.mark.parametrize("length", [1024, 64 * MB])
def test_no_help_and_no_state_holds_the_server(redis_client: redis.Redis, length: int) -> None:
    """What is too long is not there, whether it is a help, the epoch or the version."""
    redis_client.hset("metrics.meta", mapping={"short": b'{"help":"H"}', "long": b"x" * (32 * 1024 + length)})
    redis_client.hset("metrics.state", mapping={"epoch": b"e" * MB, "version": b"1" * MB})
    scripts = ReadScripts(redis_client, Keys())
    assert cost(redis_client, lambda: scripts.metadata(["short", "long", "none"])) < GOAL
    assert scripts.metadata(["short", "long", "none"]) == {"short": b'{"help":"H"}', "long": None, "none": None}
    assert cost(redis_client, lambda: scripts.changed("-inf")) < GOAL
    assert (scripts.changed("-inf").epoch, scripts.changed("-inf").version) == (b"", 0)
