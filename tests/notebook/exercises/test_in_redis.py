"""Notebook 02: each typical wrong answer hears what it is."""

import json
from collections.abc import Callable, Iterator

import pytest
import redis

from labkit import RedisMetricsService, Stack
from labkit.notebook.exercises.in_redis import InRedis
from tests.notebook.exercises.conftest import Reply

KEY = "metrics:gauge:lab_by_hand"
GOOD = json.dumps({"value": 42})


@pytest.fixture
def server(lab: Stack) -> Iterator[redis.Redis]:
    """The lab's Redis, without a trace of this exercise."""
    with redis.Redis.from_url(lab.urls["redis"], decode_responses=True) as client:
        for key in list(client.scan_iter("*by_hand*")):
            client.delete(key)
        yield client


@pytest.fixture(scope="module")
def observed(lab: Stack) -> Stack:
    """A lab whose histogram has the observations of the notebook."""
    with RedisMetricsService(lab.urls["redis"]) as metrics:
        took = metrics.histogram("lab_took_ms", "Time to answer.", buckets=(5, 10, 25), unit="ms")
        for milliseconds in (3, 7, 7, 400):
            took.observe(milliseconds)
    return lab


@pytest.mark.parametrize("answer", [42, "42", GOOD, GOOD.encode(), json.loads(GOOD)])
def test_a_series_by_hand_is_right(lab: Stack, server: redis.Redis, reply: Reply, answer: object) -> None:
    """Whoever read the whole JSON has read its value."""
    server.set(KEY, GOOD, ex=60)
    assert "✔ `by_hand`: 42" in reply(InRedis(lab), "by_hand", answer)


@pytest.mark.parametrize(
    ("did", "says"),
    [
        (lambda _: None, f"Redis has no `{KEY}`, or not any more"),
        (lambda server: server.set("lab_by_hand", GOOD, ex=60), "There is `lab_by_hand`, but the key of a series is"),
        (lambda server: server.set(KEY, GOOD), "It has for ever to live, not 60 seconds"),
        (lambda server: server.set(KEY, GOOD, ex=600), "It has 600 seconds to live"),
        (lambda server: server.set(KEY, "{'value': 42}", ex=60), "which is no JSON. JSON has double quotes."),
        (lambda server: server.set(KEY, 42, ex=60), "It holds `42`. A series is an object with a field `value`"),
        (lambda server: server.set(KEY, '{"value": "42"}', ex=60), "Its value is text"),
        (lambda server: server.set(KEY, '{"value": 41}', ex=60), "Its value is `41`, not 42."),
        (lambda server: server.hset(KEY, "value", 42), "is a hash; a series is text."),
    ],
)
def test_what_is_wrong_with_the_key_is_said(
    lab: Stack, server: redis.Redis, reply: Reply, did: Callable[[redis.Redis], object], says: str
) -> None:
    """The name, the kind, the time to live, the JSON: what Redis really holds decides, not what was answered."""
    did(server)
    said = reply(InRedis(lab), "by_hand", 42)
    assert "✘ `by_hand`: " in said and says in said


def test_another_number_than_redis_holds_is_wrong(lab: Stack, server: redis.Redis, reply: Reply) -> None:
    """Who read another key is asked which."""
    server.set(KEY, GOOD, ex=60)
    assert "you read 5. Which key did you read?" in reply(InRedis(lab), "by_hand", 5)
    assert "neither the value nor the JSON" in reply(InRedis(lab), "by_hand", "forty-two")


@pytest.mark.parametrize("answer", [104.25, 104, "104.3"])
def test_the_mean_may_be_rounded(observed: Stack, reply: Reply, answer: object) -> None:
    """As people round."""
    assert "✔ `mean`: " in reply(InRedis(observed), "mean", answer)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (417, "417 is the *sum*"),
        (4, "4 is *how many* there were"),
        (139, "divided by the number of *bounds*"),
        (1, "1 is the mean of the *counts*"),
        (40 / 3, "is the mean of the *bounds*"),
        (4 / 417, "is upside down"),
        (7, "7 is the *median*"),
        (55, "55 is not what two of its numbers give"),
        ([1, 2, 0, 1], "It has 4 rows or entries"),
    ],
)
def test_a_wrong_mean_hears_what_it_is(observed: Stack, reply: Reply, wrong: object, says: str) -> None:
    """The sum, the count, the median, and whatever else can be divided."""
    assert says in reply(InRedis(observed), "mean", wrong)
