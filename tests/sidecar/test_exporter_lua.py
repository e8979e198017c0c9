"""lua/redis-exporter.lua on real servers: samples that Prometheus can take, whatever Redis holds."""

import json
import math

import pytest
import redis

from labkit.keyspace.connection import connect
from labkit.keyspace.keys import Keys
from labkit.sidecar.scripts import Held, ReadScripts
from tests.sidecar.stock_script import script_samples

HISTOGRAM = {"bounds": [5, 10, 25], "counts": [1, 2, 0, 4], "sum": 107.5, "count": 7}


def put(client: redis.Redis, key: str, value: str | bytes | dict[str, object]) -> None:
    """Store a series as the writer does: with an entry in the index."""
    version = client.hincrby("metrics.state", "version", 1)
    client.hsetnx("metrics.state", "epoch", "e")
    client.set(key, json.dumps(value) if isinstance(value, dict) else value)
    client.zadd("metrics.index", {key: int(version)})


def test_a_counter_reads_as_in_prometheus(redis_client: redis.Redis) -> None:
    """The sample is in Prometheus' own notation."""
    put(redis_client, "metrics:counter:user_events:event=joined", {"value": 3})
    assert script_samples(redis_client) == {'user_events{event="joined"}': "3", "labkit_sidecar_series": "1"}


def test_a_histogram_is_cumulative_and_has_its_quantiles(redis_client: redis.Redis) -> None:
    """Buckets add up to +Inf, which is the count; p50, p95 and p99 follow."""
    put(redis_client, "metrics:histogram:took:method=GET", HISTOGRAM)
    assert script_samples(redis_client) == {
        'took_bucket{method="GET",le="5.0"}': "1",
        'took_bucket{method="GET",le="10.0"}': "3",
        'took_bucket{method="GET",le="25.0"}': "3",
        'took_bucket{method="GET",le="+Inf"}': "7",
        'took_sum{method="GET"}': "107.5",
        'took_count{method="GET"}': "7",
        'took_p50{method="GET"}': "25",
        'took_p95{method="GET"}': "25",
        'took_p99{method="GET"}': "25",
        "labkit_sidecar_series": "1",
    }


@pytest.mark.parametrize(
    ("bounds", "counts", "median"),
    [
        ([5, 10], [2, 2, 0], 5),
        ([5, 10], [1, 3, 0], 5 + 5 / 3),
        ([5, 10], [0, 0, 3], 10),
        ([-5, 10], [4, 0, 0], -5),
        ([5], [0, 0], math.nan),
        ([], [3], math.nan),
    ],
)
def test_quantiles_are_those_of_promql(
    redis_client: redis.Redis, bounds: list[float], counts: list[int], median: float
) -> None:
    """Linear within a bucket; the highest bound for what is beyond; NaN where nothing was observed."""
    put(redis_client, "metrics:histogram:took", {"bounds": bounds, "counts": counts, "sum": 0, "count": sum(counts)})
    assert float(script_samples(redis_client)["took_p50"]) == pytest.approx(median, rel=1e-15, nan_ok=True)


AWKWARD = {
    "quote": ('say "hi"', 'say \\"hi\\"'),
    "backslash": ("a%5Cb".replace("%5C", "\\"), "a\\\\b"),
    "newline": ("a%0Ab", "a\\nb"),
    "comma": ("a%2Cb", "a,b"),
    "percent": ("100%25", "100%"),
    "equals": ("a=b=c", "a=b=c"),
    "emoji": ("🦊", "🦊"),
    "braces": ("{x}", "{x}"),
}


@pytest.mark.parametrize(("encoded", "shown"), AWKWARD.values(), ids=AWKWARD)
def test_labels_are_decoded_and_escaped(redis_client: redis.Redis, encoded: str, shown: str) -> None:
    """What was percent-encoded in the key is itself again, with Prometheus' three escapes."""
    put(redis_client, f"metrics:counter:x:a={encoded}", {"value": 1})
    assert f'x{{a="{shown}"}}' in script_samples(redis_client)


BAD: dict[str, tuple[str | bytes, str | bytes, str]] = {
    "garbage": ("metrics:counter:x", "garbage", "json"),
    "empty": ("metrics:counter:x", "", "json"),
    "truncated": ("metrics:counter:x", '{"value":', "json"),
    "list": ("metrics:counter:x", "[]", "json"),
    "scalar": ("metrics:counter:x", "3", "json"),
    "null": ("metrics:gauge:x", '{"value":null}', "value"),
    "nan": ("metrics:gauge:x", '{"value":NaN}', "value"),
    "infinity": ("metrics:gauge:x", '{"value":1e400}', "value"),
    "text": ("metrics:gauge:x", '{"value":"3"}', "value"),
    "negative counter": ("metrics:counter:x", '{"value":-1}', "value"),
    "other length": ("metrics:histogram:x", '{"bounds":[1],"counts":[1],"sum":1}', "counts"),
    "negative count": ("metrics:histogram:x", '{"bounds":[1],"counts":[1,-1],"sum":1}', "counts"),
    "half a count": ("metrics:histogram:x", '{"bounds":[1],"counts":[1,0.5],"sum":1}', "counts"),
    "unsorted": ("metrics:histogram:x", '{"bounds":[2,1],"counts":[1,1,1],"sum":1}', "bounds"),
    "same bounds": ("metrics:histogram:x", '{"bounds":[1,1],"counts":[1,1,1],"sum":1}', "bounds"),
    "cut off": ("metrics:histogram:x", '{"bounds":[1],"counts":[1,1],"sum":1,"count":2,"created":1.0,', "json"),
    "no sum": ("metrics:histogram:x", '{"bounds":[1],"counts":[1,1]}', "value"),
    "unknown kind": ("metrics:summary:x", '{"value":1}', "kind"),
    "no name": ("metrics:counter:", '{"value":1}', "name"),
    "bad name": ("metrics:counter:1x", '{"value":1}', "name"),
    "unsorted labels": ("metrics:counter:x:b=1,a=2", '{"value":1}', "labels"),
    "label twice": ("metrics:counter:x:a=1,a=2", '{"value":1}', "labels"),
    "no label value": ("metrics:counter:x:a", '{"value":1}', "labels"),
    "reserved label": ("metrics:counter:x:le=1", '{"value":1}', "labels"),
    "invalid UTF-8": (b"metrics:counter:x:a=\xff\xfe", '{"value":1}', "labels"),
    "encoded surrogate": ("metrics:counter:x:a=%ED%A0%80", '{"value":1}', "labels"),
    "encoded NUL": ("metrics:counter:x:a=%00", '{"value":1}', "labels"),
}


@pytest.mark.parametrize(("key", "value", "reason"), BAD.values(), ids=BAD)
def test_a_bad_series_is_skipped_and_counted(
    redis_client: redis.Redis, key: str, value: str | bytes, reason: str
) -> None:
    """It costs no other series its place, and the count names the reason."""
    put(redis_client, key, value)
    put(redis_client, "metrics:counter:good", {"value": 1})
    shown = script_samples(redis_client)
    assert shown["good"] == "1"
    assert shown[f'labkit_sidecar_series_skipped{{reason="{reason}"}}'] == "1"
    assert shown["labkit_sidecar_series"] == "1"


def test_a_wrong_type_is_skipped(redis_client: redis.Redis) -> None:
    """A list or a hash where a series should be is counted, not read."""
    redis_client.rpush("metrics:counter:x", "a")
    redis_client.zadd("metrics.index", {"metrics:counter:x": 1})
    assert script_samples(redis_client)['labkit_sidecar_series_skipped{reason="wrongtype"}'] == "1"


def test_an_expired_series_is_simply_gone(redis_client: redis.Redis) -> None:
    """An index entry that outlived its key is neither shown nor counted."""
    redis_client.zadd("metrics.index", {"metrics:counter:x": 1})
    assert script_samples(redis_client) == {"labkit_sidecar_series": "0"}


def test_an_empty_server_has_no_series(redis_client: redis.Redis) -> None:
    """Before the first flush the script answers all the same."""
    assert script_samples(redis_client) == {"labkit_sidecar_series": "0"}


def test_pages_end_between_any_two_series(redis_client: redis.Redis) -> None:
    """Reading page by page finds each series once, in the order of the versions."""
    for i in range(7):
        put(redis_client, f"metrics:counter:c{i}", {"value": i})
    assert pages(redis_client, limit=3) == [[0, 1, 2], [3, 4, 5], [6]]
    assert pages(redis_client, limit=7) == [[0, 1, 2, 3, 4, 5, 6], []]


def test_pages_end_when_they_are_large(redis_client: redis.Redis) -> None:
    """Nobody else waits long for a page, however long the values are; one that is too long is not passed on."""
    for i in range(20):
        put(redis_client, f"metrics:counter:c{i}", {"value": i, "more": "x" * 30_000})
    put(redis_client, "metrics:counter:c20", {"value": 1, "more": "x" * 33_000})
    sizes = [len(page) for page in pages(redis_client, limit=200)]
    assert sizes == [9, 9, 3]
    assert len(ReadScripts(redis_client, Keys()).read([b"metrics:counter:c%d" % i for i in range(20)])) == 9
    (held,) = ReadScripts(redis_client, Keys()).read([b"metrics:counter:c20"])
    assert held == Held(b"metrics:counter:c20", -1, b"", "length")


def pages(client: redis.Redis, limit: int) -> list[list[int]]:
    """The numbers of the counters c0, c1, … that come with each page."""
    scripts, since, found = ReadScripts(client, Keys()), "-inf", list[list[int]]()
    while since:
        changes = scripts.changed(since, limit=limit)
        found.append([int(held.key.rpartition(b"c")[2]) for held in changes.series])
        since = changes.reached
    return found


def test_versions_beyond_the_servers_come_with_everything_only(redis_client: redis.Redis) -> None:
    """After a loss of the state, what the index still holds is found, and does not hide what changes from then on."""
    for i in range(3):
        put(redis_client, f"metrics:counter:c{i}", {"value": i})
    redis_client.delete("metrics.state")
    put(redis_client, "metrics:counter:c3", {"value": 3})
    scripts = ReadScripts(redis_client, Keys())
    everything, changed = scripts.changed("-inf", everything=True), scripts.changed("0")
    assert (everything.version, len(everything.series)) == (1, 4)
    assert [held.key for held in changed.series] == [b"metrics:counter:c0", b"metrics:counter:c3"]
    assert scripts.changed("1").series == []


def test_what_is_held_is_passed_on(redis_client: redis.Redis) -> None:
    """With its time to live, or -1 forever, or gone; what cannot be JSON with the reason."""
    redis_client.set("metrics:counter:a", '{"value":1}', px=5000)
    redis_client.set("metrics:counter:b", "garbage")
    redis_client.rpush("metrics:counter:c", "x")
    keys = [b"metrics:counter:" + name for name in (b"a", b"b", b"c", b"d")]
    a, b, c, gone = ReadScripts(redis_client, Keys()).read(keys)
    assert 4000 < a.ms <= 5000
    assert (a.json, b) == (b'{"value":1}', Held(keys[1], -1, b"garbage"))
    assert (c, gone.gone) == (Held(keys[2], -1, b"", "wrongtype"), True)


def test_keys_that_are_too_long_or_not_ours_are_not_read(redis_client: redis.Redis) -> None:
    """The one comes in part, the other without its value; when that is gone, both know."""
    long = b"metrics:counter:" + b"x" * 10_000
    redis_client.mset({long: "1", b"other:counter:x": "secret"})
    redis_client.zadd("metrics.index", {long: 1, b"other:counter:x": 2, b"other:counter:y": 3})
    changes = ReadScripts(redis_client, Keys()).changed("-inf", everything=True)
    assert changes.series[0] == Held(long[: 8 * 1024 + 1], -1, b"", "length")
    assert changes.series[1] == Held(b"other:counter:x", -1, b"", "prefix")
    assert changes.series[2].gone
    assert script_samples(redis_client)['labkit_sidecar_series_skipped{reason="prefix"}'] == "1"


def test_a_user_who_may_not_see_a_key_keeps_the_page(redis_client: redis.Redis) -> None:
    """One member of the index that belongs to somebody else is counted, and costs nobody anything."""
    put(redis_client, "metrics:counter:good", {"value": 1})
    put(redis_client, "other:counter:x", {"value": 2})
    redis_client.acl_setuser("reader", enabled=True, nopass=True, keys=["metrics*"], commands=["+@all"])
    port = redis_client.connection_pool.connection_kwargs["port"]
    try:
        with connect(f"redis://reader:x@127.0.0.1:{port}") as reader:
            assert script_samples(reader)["good"] == "1"
            held = ReadScripts(reader, Keys()).changed("-inf").series
    finally:
        redis_client.acl_deluser("reader")
    assert [(one.key, one.reason) for one in held][1] == (b"other:counter:x", "prefix")
