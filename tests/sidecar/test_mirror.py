"""The mirror follows a real server through everything that can happen to a series."""

import contextlib
import json
import threading
from collections.abc import Sequence
from math import ceil

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from harness.process import wait_until
from labkit import RedisMetricsService
from labkit.keyspace.keys import Keys
from labkit.sidecar.deadlines import Deadlines
from labkit.sidecar.exposition import page, read_metadata
from labkit.sidecar.mirror import Mirror
from labkit.sidecar.scripts import Held, ReadScripts


@pytest.fixture
def mirror(redis_client: redis.Redis) -> Mirror:
    return Mirror(redis_client, Keys())


def shown(mirror: Mirror) -> dict[str, float]:
    """The samples of the application on the mirror's page, through the official parser."""
    mirror.refresh()
    text = b"".join(page(mirror.families())).decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    assert len({(s.name, *sorted(s.labels.items())) for s in samples}) == len(samples), "a series stands there twice"
    # The official parser gives every counter the suffix that OpenMetrics wants.
    return {
        f"{s.name.removesuffix('_total')}{json.dumps(s.labels) if s.labels else ''}": s.value
        for s in samples
        if not s.name.startswith("labkit_")
    }


def walk(mirror: Mirror) -> None:
    mirror.walk(threading.Event())


def test_changes_are_followed(metrics: RedisMetricsService, mirror: Mirror) -> None:
    """Each refresh shows what was flushed before it."""
    counter = metrics.counter("c", "Help.")
    for n in (1, 2, 3):
        counter.inc()
        metrics.flush()
        assert shown(mirror) == {"c": n}


def test_a_refresh_reads_many_pages(metrics: RedisMetricsService, mirror: Mirror) -> None:
    """A thousand series come in several pages, each once."""
    gauge = metrics.gauge("g", "Help.", ["n"])
    for n in range(1000):
        gauge.labels(n=n).set(n)
    metrics.flush()
    assert sum(shown(mirror).values()) == 999 * 1000 / 2


def test_a_series_that_expires_goes(redis_client: redis.Redis, redis_url: str, mirror: Mirror) -> None:
    """It leaves the page when its time to live is over, without a walk."""
    with RedisMetricsService(redis_url, ttl=0.3, flush_interval=0.1) as metrics:
        metrics.counter("c", "Help.").inc()
    assert shown(mirror) == {"c": 1}
    wait_until(lambda: shown(mirror) == {}, "the expiry")


def test_a_server_that_is_emptied_starts_over(
    metrics: RedisMetricsService, redis_client: redis.Redis, mirror: Mirror
) -> None:
    """After FLUSHALL nothing of before is shown, and the new series are."""
    metrics.counter("c", "Help.").inc()
    metrics.flush()
    assert shown(mirror) == {"c": 1}
    redis_client.flushall()
    assert shown(mirror) == {}
    metrics.counter("d", "Help.").inc()
    metrics.flush()
    assert shown(mirror)["d"] == 1


@pytest.mark.parametrize("version", [None, "5", "abc"])
def test_a_server_without_its_state_still_has_its_series(
    metrics: RedisMetricsService, redis_client: redis.Redis, mirror: Mirror, version: str | None
) -> None:
    """However many pages there are, each is read once; what changes from then on is seen, too."""
    gauge = metrics.gauge("g", "Help.", ["n"])
    for n in range(300):
        gauge.labels(n=n).set(n)
    metrics.flush()
    assert len(shown(mirror)) == 300
    redis_client.delete("metrics.state")
    if version:
        redis_client.hset("metrics.state", "version", version)
    pages = mirror.pages_read
    assert len(shown(mirror)) == 300
    assert mirror.pages_read < pages + 10
    redis_client.delete("metrics.state")
    for n in range(300):
        gauge.labels(n=n).set(7)
    metrics.flush()
    assert set(shown(mirror).values()) == {7}


def test_other_keys_of_ours_cost_no_series_its_place(
    metrics: RedisMetricsService, redis_client: redis.Redis, mirror: Mirror
) -> None:
    """Whatever somebody makes of the help texts and of the versions in the index."""
    metrics.counter("c", "Help.").inc()
    metrics.flush()
    redis_client.zadd("metrics.index", {f"metrics:counter:x:n={n}": n + 0.5 for n in range(250)})
    redis_client.zadd("metrics.index", {"metrics:counter:y": "-inf", "metrics:counter:z": "inf"})
    redis_client.hset("metrics.state", "epoch", b"\xff")
    assert shown(mirror) == {"c": 1}
    redis_client.delete("metrics.meta")
    redis_client.rpush("metrics.meta", "x")
    assert shown(Mirror(redis_client, Keys())) == {"c": 1}
    redis_client.delete("metrics.meta")


def test_help_that_is_written_by_hand_comes_with_a_walk(
    metrics: RedisMetricsService, redis_client: redis.Redis, mirror: Mirror
) -> None:
    """A refresh asks only for the help of what came, however many metrics there are."""
    metrics.counter("c", "Help.").inc()
    metrics.flush()
    redis_client.hset("metrics.meta", "c", '{"help":"Another."}')
    walk(mirror)
    assert b"# HELP c Another.\n" in b"".join(mirror.page())


def test_a_series_that_ends_while_redis_is_away_goes_when_it_is_back(
    redis_client: redis.Redis, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure forgets no time to live."""
    redis_client.set("metrics:gauge:g", '{"value":1}', px=300)
    walk(mirror)
    assert len(mirror) == 1
    wait_until(lambda: not redis_client.exists("metrics:gauge:g"), "the end of the series")

    def fail(_: ReadScripts, keys: Sequence[bytes]) -> list[Held]:
        raise redis.TimeoutError(f"{keys} cannot be read")

    with monkeypatch.context() as broken:
        broken.setattr(ReadScripts, "read", fail)
        with pytest.raises(redis.TimeoutError):
            wait_until(mirror.refresh, "the attempt to read it")
    wait_until(lambda: not shown(mirror), "the end of the series on the page")


def test_a_reading_that_takes_too_long_goes_on_at_the_next_scrape(metrics: RedisMetricsService, mirror: Mirror) -> None:
    """Prometheus hears in time that the data are not there yet, and each attempt comes further."""
    gauge = metrics.gauge("g", "Help.", ["n"])
    for n in range(1000):
        gauge.labels(n=n).set(n)
    metrics.flush()
    attempts = 0
    while not len(mirror) >= 1000:
        with contextlib.suppress(redis.TimeoutError):
            mirror.refresh(patience=0)
        attempts += 1
        assert attempts < 20
    assert sum(value for name, value in shown(mirror).items() if name.startswith("g")) == 999 * 1000 / 2


def test_a_walk_finds_what_was_written_by_hand(redis_client: redis.Redis, mirror: Mirror) -> None:
    """Series without an index entry appear, change and go with the walks."""
    for n in (5, 6):
        redis_client.set("metrics:gauge:g", json.dumps({"value": n}))
        walk(mirror)
        assert shown(mirror) == {"g": n}
    redis_client.delete("metrics:gauge:g")
    walk(mirror)
    assert shown(mirror) == {}


def test_a_walk_forgets_what_was_deleted(
    metrics: RedisMetricsService, redis_client: redis.Redis, mirror: Mirror
) -> None:
    """A series deleted in Redis leaves the page with the next walk."""
    metrics.counter("c", "Help.").inc()
    metrics.flush()
    assert shown(mirror) == {"c": 1}
    redis_client.delete("metrics:counter:c")
    walk(mirror)
    assert shown(mirror) == {}


def test_foreign_keys_cost_no_series_its_place(
    metrics: RedisMetricsService, redis_client: redis.Redis, mirror: Mirror
) -> None:
    """Garbage, a list and an empty string are counted by reason; all else is there."""
    redis_client.set("metrics:counter:x", "garbage")
    redis_client.rpush("metrics:counter:y", "list")
    redis_client.set("metrics:counter:z", "")
    metrics.counter("c", "Help.").inc()
    metrics.flush()
    walk(mirror)
    assert shown(mirror) == {"c": 1}
    assert mirror.skipped == {"json": 2, "wrongtype": 1}
    redis_client.delete("metrics:counter:x", "metrics:counter:y", "metrics:counter:z")
    walk(mirror)
    assert not mirror.skipped


def test_what_cannot_be_read_is_named_once(
    redis_client: redis.Redis, mirror: Mirror, caplog: pytest.LogCaptureFixture
) -> None:
    """One line names some of the bad series with their reasons and counts the rest; it is not repeated."""
    for n in range(12):
        redis_client.set(f"metrics:counter:x:n={n}", "garbage")
    redis_client.set(b"metrics:counter:y\n\xff", "garbage")
    for _ in range(3):
        walk(mirror)
        mirror.refresh()
    (line,) = caplog.messages
    assert "'metrics:counter:x:n=0' (json), " in line
    assert line.endswith(", and 3 more.")


def test_one_name_has_one_kind(redis_client: redis.Redis, mirror: Mirror) -> None:
    """A second kind under a name that is taken is counted as a conflict, not exposed."""
    redis_client.set("metrics:counter:x", '{"value":1}')
    walk(mirror)
    redis_client.set("metrics:gauge:x", '{"value":2}')
    walk(mirror)
    assert shown(mirror) == {"x": 1}
    assert mirror.skipped == {"conflict": 1}
    redis_client.delete("metrics:counter:x")
    walk(mirror)
    assert shown(mirror) == {"x": 2}
    redis_client.set("metrics:counter:x", '{"value":3}')
    walk(mirror)
    # Whatever came first: a sidecar that starts now says the same.
    assert shown(mirror) == {"x": 3}


def test_the_help_of_a_metric_is_on_the_page(metrics: RedisMetricsService, mirror: Mirror) -> None:
    """HELP and TYPE stand once above all series of a family, and backslash and newline are escaped."""
    metrics.counter("c", "One\\two\nthree.", ["a"]).labels(a="1").inc()
    metrics.flush()
    mirror.refresh()
    text = b"".join(page(mirror.families())).decode()
    assert '# HELP c One\\\\two\\nthree.\n# TYPE c counter\nc{a="1"} 1\n' in text


def test_metadata_that_makes_no_sense_is_left_out() -> None:
    """The page does not depend on what others put into the hash."""
    raw = {"a": b'{"type":"counter","help":"H"}', "b": b"garbage", "c": b"[]", "d": b"{}", "e": None}
    raw |= {"f": b"[" * 100_000, "g": rb'{"help":"\ud800"}'}
    assert read_metadata(raw) == {"a": "H", "g": "?"}


def test_a_page_is_kept_until_something_changes(metrics: RedisMetricsService, mirror: Mirror) -> None:
    """A scrape after which nothing was written costs no work on the series."""
    counter = metrics.counter("c", "Help.")
    counter.inc()
    metrics.flush()
    mirror.refresh()
    first = mirror.page()
    mirror.refresh()
    assert mirror.page() is first
    counter.inc()
    metrics.flush()
    mirror.refresh()
    assert b"\nc 2\n" in b"".join(mirror.page())


def test_names_of_others_on_the_page_are_left_to_them(redis_client: redis.Redis) -> None:
    """The sidecar's own metrics, and what a histogram is called in parts, stand there once."""
    redis_client.set("metrics:gauge:redis_up", '{"value":7}')
    redis_client.set("metrics:histogram:h", '{"bounds":[1],"counts":[1,0],"sum":1,"count":1}')
    mirror = Mirror(redis_client, Keys(), reserved=["redis_up"])
    walk(mirror)
    redis_client.set("metrics:counter:h_count", '{"value":5}')
    walk(mirror)
    assert mirror.skipped == {"conflict": 2}
    assert shown(mirror)["h_count"] == 1


def test_a_moved_deadline_counts_once() -> None:
    """However often a time moves on, a key is due once, at its last time, and waits in one place."""
    deadlines = Deadlines()
    for at in (5.0, 5.5, 7.0):
        deadlines.set(b"a", at)
    deadlines.set(b"b", 5.0)
    deadlines.drop(b"b")
    assert (deadlines.pop_due(6.0), len(deadlines)) == ([], 1)
    assert deadlines.pop_due(7.0) == [b"a"]
    assert (deadlines.pop_due(100.0), len(deadlines)) == ([], 0)


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.none() | st.floats(0, 20), st.booleans())))
def test_deadlines_are_those_of_a_model(steps: list[tuple[bytes, float | None, bool]]) -> None:
    """Times that move to and fro, end and come again: due at the second after the last one set, each once."""
    deadlines, model, now = Deadlines(), dict[bytes, int](), 0
    for key, at, tick in steps:
        if at is None:
            deadlines.drop(key)
            model.pop(key, None)
        else:
            deadlines.set(key, now + at)
            model[key] = ceil(now + at)
        now += tick
        due = [name for name, second in model.items() if second <= now]
        assert sorted(deadlines.pop_due(now)) == sorted(due)
        for name in due:
            del model[name]
        assert len(deadlines) <= len(steps)
    assert sorted(deadlines.pop_due(now + 99)) == sorted(model)
    assert len(deadlines) == 0


def test_a_walk_takes_what_a_writer_changed_meanwhile_as_pages(
    metrics: RedisMetricsService, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks only for what was changed by hand: a flush during the walk is not its business."""
    family, asked_for = metrics.counter("c", "Help.", ["n"]), list[bytes]()
    read = ReadScripts.read

    def spy(self: ReadScripts, keys: Sequence[bytes]) -> list[Held]:
        asked_for.extend(keys)
        return read(self, keys)

    monkeypatch.setattr(ReadScripts, "read", spy)

    class FlushesBetween(threading.Event):
        """Set by nobody; asked before each step of the walk."""

        def is_set(self) -> bool:
            for n in range(300):
                family.labels(n=str(n)).inc()
            metrics.flush()
            return False

    mirror.walk(FlushesBetween())
    assert shown(mirror)['c{"n": "299"}'] >= 1
    assert not [key for key in asked_for if b":counter:c:" in key]
