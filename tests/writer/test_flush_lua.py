"""lua/flush.lua on real servers: every batch whole, at most once, and no series pays for another."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
import redis
from redis.exceptions import ResponseError

from labkit.keyspace.keys import Keys
from labkit.writer.batch import Batch
from labkit.writer.scripts import FlushReply, WriteScripts

COUNTER = "metrics:counter:c"
GAUGE = "metrics:gauge:g"
HISTOGRAM = "metrics:histogram:h"
Flush = Callable[..., FlushReply]
Operation = list[Any]


def batch(number: int, operations: dict[str, Operation], writer: str = "w") -> Batch:
    metadata = '{"c":{"type":"counter","help":"H","unit":""}}'
    texts, ones = json.dumps(list(operations.values())), (1,) * len(operations)
    shared = tuple(key for key, operation in operations.items() if "shared" in operation)
    return Batch(writer, writer, number, 30_000, 60_000, tuple(operations), texts, ones, metadata, shared)


def replies(client: redis.Redis, *batches: Batch) -> list[FlushReply | ResponseError]:
    """What the server answers to batches that are sent before the first is answered."""
    scripts = WriteScripts(client, Keys())
    scripts.load()
    answers: list[FlushReply | ResponseError] = []
    with scripts.stream() as stream:
        for each in batches:
            stream.send(each, oldest=batches[0].number)
        for _ in batches:
            try:
                answers.append(stream.receive())
            except ResponseError as error:
                answers.append(error)
    return answers


@pytest.fixture
def flush(redis_client: redis.Redis) -> Flush:
    """Send one batch and return the reply."""

    def send(number: int, operations: dict[str, Operation], writer: str = "w") -> FlushReply:
        (reply,) = replies(redis_client, batch(number, operations, writer))
        assert isinstance(reply, FlushReply), str(reply)
        return reply

    return send


def add(n: float) -> Operation:
    return ["counter", "record", n]


def observe(bounds: str, counts: list[int], total: float) -> Operation:
    """The operation that adds `counts`, one per bucket."""
    adds = [number for i, count in enumerate(counts, 1) if count for number in (i, count)]
    return ["histogram", "record", bounds, adds, total]


def held(client: redis.Redis, key: str) -> Any:
    text = client.get(key)
    assert isinstance(text, bytes)
    return json.loads(text)


def test_a_batch_is_applied_with_all_that_belongs_to_it(flush: Flush, redis_client: redis.Redis) -> None:
    """Series, time to live, index, versions, metadata and fence change together."""
    reply = flush(1, {COUNTER: add(2), GAUGE: ["gauge", "record", 0, 5, 5]})
    assert (reply.status, reply.fence, reply.skipped) == ("applied", 1, {})
    assert held(redis_client, COUNTER)["value"] == 2
    assert 0 < redis_client.pttl(COUNTER) <= 30_000
    assert redis_client.zrange("metrics.index", 0, -1, withscores=True) == [(COUNTER.encode(), 1), (GAUGE.encode(), 2)]
    assert redis_client.hget("metrics.state", "version") == b"2"
    assert redis_client.hget("metrics.fences", "w") == b"1"
    assert json.loads(redis_client.hget("metrics.meta", "c") or "")["type"] == "counter"


def test_the_same_number_twice_counts_once(flush: Flush, redis_client: redis.Redis) -> None:
    """A batch whose answer was lost may be sent again."""
    flush(1, {COUNTER: add(2)})
    assert flush(1, {COUNTER: add(2)}).status == "duplicate"
    assert held(redis_client, COUNTER)["value"] == 2


def test_a_number_too_high_is_a_gap(flush: Flush, redis_client: redis.Redis) -> None:
    """A server that forgot a batch does not take the next one; its fence says how far it got."""
    flush(1, {COUNTER: add(2)})
    reply = flush(3, {COUNTER: add(1)})
    assert (reply.status, reply.fence) == ("gap", 1)
    assert held(redis_client, COUNTER)["value"] == 2


def test_a_server_without_a_fence_takes_only_the_oldest(redis_client: redis.Redis) -> None:
    """In one pipeline, a batch behind a refused one must not fence that one off."""
    redis_client.zadd("metrics.index", {"x": 1})
    redis_client.rename("metrics.index", "metrics.meta")  # of the wrong type: the first batch is refused
    first, second = replies(redis_client, batch(1, {COUNTER: add(1)}), batch(2, {COUNTER: add(1)}))
    assert isinstance(first, ResponseError)
    assert isinstance(second, FlushReply)
    assert second.status == "gap"
    redis_client.delete("metrics.meta")
    answers = replies(redis_client, batch(7, {COUNTER: add(1)}), batch(9, {COUNTER: add(1)}))
    assert [answer.status for answer in answers if isinstance(answer, FlushReply)] == ["applied", "gap"]


def test_writers_do_not_know_each_other(flush: Flush, redis_client: redis.Redis) -> None:
    """Two writers add to one series, each under its own fence."""
    flush(1, {COUNTER: add(2)}, writer="a")
    flush(1, {COUNTER: add(3)}, writer="b")
    assert held(redis_client, COUNTER)["value"] == 5


POISON = {
    "garbage": (b"garbage", "json"),
    "empty": (b"", "json"),
    "number": (b"3", "json"),
    "no value": (b"{}", "value"),
    "text value": (b'{"value":"3"}', "value"),
    "null": (b'{"value":null}', "value"),
    "not a number": (b'{"value":NaN}', "value"),
    "infinite": (b'{"value":1e400}', "value"),
    "deep": (b"[" * 1000, "json"),
    "long": (b'{"value":' + b"1" * 1024 + b"}", "length"),
    "longer than any series": (b"1" * 40_000, "length"),
}


@pytest.mark.parametrize(("value", "reason"), POISON.values(), ids=POISON)
def test_a_poisoned_series_costs_no_other_its_place(
    flush: Flush, redis_client: redis.Redis, value: bytes, reason: str
) -> None:
    """It is skipped and named with a reason; the rest of its batch applies."""
    redis_client.set(COUNTER, value)
    reply = flush(1, {COUNTER: add(1), "metrics:counter:ok": add(1)})
    assert reply.skipped == {COUNTER: reason}
    assert held(redis_client, "metrics:counter:ok")["value"] == 1
    assert redis_client.get(COUNTER) == value


def test_a_foreign_type_is_skipped(flush: Flush, redis_client: redis.Redis) -> None:
    """A list where a series should be stays as it is."""
    redis_client.rpush(COUNTER, "x")
    assert flush(1, {COUNTER: add(1)}).skipped == {COUNTER: "wrongtype"}


@pytest.mark.parametrize(
    "value",
    [
        '{"bounds":[1,2],"counts":[1,2],"sum":0}',
        '{"bounds":[2,1],"counts":[1,2,3],"sum":0}',
        '{"bounds":[1],"counts":["a",2],"sum":0}',
        '{"bounds":[1],"counts":[1,2]}',
        '{"value":3}',
    ],
)
def test_a_broken_histogram_is_skipped(flush: Flush, redis_client: redis.Redis, value: str) -> None:
    """Counts are never added to invalid bounds."""
    redis_client.set(HISTOGRAM, value)
    assert flush(1, {HISTOGRAM: observe("1", [1, 0], 1)}).skipped == {HISTOGRAM: "bounds"}


def test_histograms_add_up_bucket_by_bucket(flush: Flush, redis_client: redis.Redis) -> None:
    """Counts, sum and count of two batches are those of all observations."""
    for number in (1, 2):
        flush(number, {HISTOGRAM: observe("5,10.5", [1, 2, 3], 0.5)})
    merged = held(redis_client, HISTOGRAM)
    assert (merged["bounds"], merged["counts"], merged["sum"], merged["count"]) == ([5, 10.5], [2, 4, 6], 1, 12)


def test_other_bounds_fold_into_the_next_one_at_or_above(flush: Flush, redis_client: redis.Redis) -> None:
    """A second version of an application with other buckets keeps sum and count exact; the reply names the series."""
    flush(1, {HISTOGRAM: observe("5,10", [1, 1, 1], 3)})
    reply = flush(2, {HISTOGRAM: observe("1,5,7,20", [1, 2, 4, 8, 16], 9)})
    merged = held(redis_client, HISTOGRAM)
    assert reply.folded == (HISTOGRAM,)
    assert (merged["bounds"], merged["counts"], merged["sum"], merged["count"]) == ([5, 10], [4, 5, 25], 12, 34)


def test_a_gauge_is_set_or_changed_and_reborn_with_its_own_value(flush: Flush, redis_client: redis.Redis) -> None:
    """Without a set the delta applies; where nothing is held, the writer's own value is."""
    flush(1, {GAUGE: ["gauge", "record", 0, 41]})
    flush(2, {GAUGE: ["gauge", "record", 1, 7]})
    assert held(redis_client, GAUGE)["value"] == 42
    flush(3, {GAUGE: ["gauge", "record", -1, 9, 10]})
    assert held(redis_client, GAUGE)["value"] == 9


@pytest.mark.parametrize(("shared", "value"), [("sum", 5), ("min", 2), ("max", 3)])
def test_a_shared_gauge_reduces_its_writers(flush: Flush, redis_client: redis.Redis, shared: str, value: int) -> None:
    """Each writer has one entry, which it replaces."""
    for writer, own in (("a", 9), ("b", 2)):
        flush(1, {GAUGE: ["shared", "record", shared, own]}, writer)
    flush(2, {GAUGE: ["shared", "record", shared, 3]}, "a")
    assert held(redis_client, GAUGE)["value"] == value


def test_a_writer_whose_lease_has_ended_no_longer_counts(flush: Flush, redis_client: redis.Redis) -> None:
    """What a killed process held leaves the sum with the next write."""
    dead = {"value": 9, "shared": "sum", "writers": {"dead": [9, 1.0]}}
    redis_client.set(GAUGE, json.dumps(dead))
    flush(1, {GAUGE: ["shared", "record", "sum", 3]})
    assert held(redis_client, GAUGE)["value"] == 3


@pytest.mark.parametrize("n", [1e14 + 1, 2**53 - 1, 0.1, 1e-300, 1.7976931348623157e308, 123456789.123456789])
def test_numbers_keep_every_digit(flush: Flush, redis_client: redis.Redis, n: float) -> None:
    """No value is rounded on its way through Lua and JSON."""
    flush(1, {COUNTER: add(n)})
    assert held(redis_client, COUNTER)["value"] == n


def test_many_merges_of_fractions_are_rounded_once(flush: Flush, redis_client: redis.Redis) -> None:
    """What a double cannot hold is carried along, in counters and in sums; integers carry nothing."""
    for number in range(1, 60):
        flush(number, {COUNTER: add(0.1), HISTOGRAM: observe("1", [1, 0], 0.1), "metrics:counter:n": add(3)})
    total = math.fsum([0.1] * 59)
    assert (held(redis_client, COUNTER)["value"], held(redis_client, HISTOGRAM)["sum"]) == (total, total)
    assert abs(held(redis_client, COUNTER)["carry"]) < math.ulp(total)
    assert "carry" not in held(redis_client, "metrics:counter:n")


def test_a_carry_that_makes_no_sense_is_left_out(flush: Flush, redis_client: redis.Redis) -> None:
    """Somebody else's carry costs no series its place."""
    redis_client.set(COUNTER, '{"value":3,"carry":"x","created":1,"updated":1}')
    assert flush(1, {COUNTER: add(1)}).skipped == {}
    assert held(redis_client, COUNTER)["value"] == 4


def test_a_removed_series_stays_away_until_something_is_recorded(flush: Flush, redis_client: redis.Redis) -> None:
    """Readers learn of it by its version; another writer's refresh does not bring it back, its next change does."""
    flush(1, {COUNTER: add(5)})
    flush(2, {COUNTER: ["remove"]})
    assert not redis_client.exists(COUNTER)
    assert redis_client.zscore("metrics.index", COUNTER) == 2
    refresh: Operation = ["counter", "refresh", 0]
    assert flush(1, {COUNTER: refresh}, writer="b").removed == (COUNTER,)
    assert flush(2, {COUNTER: add(1)}, writer="b").removed == ()
    assert held(redis_client, COUNTER)["value"] == 1


def test_a_series_lost_in_another_way_comes_back_with_a_refresh(flush: Flush, redis_client: redis.Redis) -> None:
    """Deleted by hand, evicted, or expired while its writer slept: it is there again, at zero."""
    flush(1, {COUNTER: ["counter", "refresh", 0]})
    assert held(redis_client, COUNTER)["value"] == 0


def test_what_was_removed_is_forgotten_after_a_while(flush: Flush, redis_client: redis.Redis) -> None:
    """A removal is remembered for one ttl, in which every living writer refreshes."""
    redis_client.zadd("metrics.removed", {"metrics:counter:old": 1})
    redis_client.zadd("metrics.index", {"metrics:counter:old": 1})
    flush(1, {COUNTER: add(1)})
    flush(2, {COUNTER: add(1)})
    assert not redis_client.exists("metrics.removed")
    assert redis_client.zrange("metrics.index", 0, -1) == [COUNTER.encode()]


def test_the_expired_leave_the_index(flush: Flush, redis_client: redis.Redis) -> None:
    """Entries of dead series go, oldest first, with the writes of the living."""
    redis_client.zadd("metrics.index", {"metrics:counter:dead": 0})
    flush(1, {COUNTER: add(1)})
    assert redis_client.zrange("metrics.index", 0, -1) == [COUNTER.encode()]


@pytest.mark.parametrize(
    "key",
    ["metrics.state", "metrics.index", "metrics.meta", "metrics.removed", "metrics.fences", "metrics.writers"],
)
def test_a_wrong_type_is_refused_before_anything_is_written(flush: Flush, redis_client: redis.Redis, key: str) -> None:
    """When the batch cannot be applied whole, nothing of it is."""
    redis_client.rpush(key, "x")
    with pytest.raises(AssertionError, match="WRONGTYPE"):
        flush(1, {COUNTER: add(1)})
    assert not redis_client.exists(COUNTER)
