"""The writer against real servers: nothing recorded is lost or counted twice, and the application never waits."""

import copy
import json
import logging
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
import redis

from harness.process import free_port, wait_until
from harness.redis_server import RedisServer
from labkit import FlushError, MetricError, RedisMetricsService
from labkit.errors import ConnectionFailed
from labkit.writer.declaration import Shared


def value(client: redis.Redis, key: str) -> Any:
    text = client.get(key)
    return json.loads(text)["value"] if isinstance(text, bytes) else None


def test_the_example_of_the_readme(redis_url: str, redis_client: redis.Redis) -> None:
    """Counters, gauges and histograms are readable JSON in Redis once flush returns."""
    with RedisMetricsService(redis_url, flush_interval=5.0, ttl=1800, prefix="metrics") as metrics:
        metrics.counter("user_events", "What users did.", ["event"]).labels(event="joined").inc()
        metrics.counter("restocks", "Deliveries taken in.").inc(2)
        metrics.gauge("users_waiting", "Users in the queue.", ["service"]).labels(service="store").set(3)
        took = metrics.histogram("took_ms", "Time to answer.", ["endpoint"], buckets=(5, 10), unit="ms")
        took.labels(endpoint="/join").observe(7.5)
        metrics.flush()
        assert value(redis_client, "metrics:counter:user_events:event=joined") == 1
        assert value(redis_client, "metrics:counter:restocks") == 2
        assert value(redis_client, "metrics:gauge:users_waiting:service=store") == 3
        held = json.loads(redis_client.get("metrics:histogram:took_ms:endpoint=/join") or "")
    assert (held["bounds"], held["counts"], held["sum"], held["count"]) == ([5, 10], [0, 1, 0], 7.5, 1)


def test_a_child_is_visible_at_zero(metrics: RedisMetricsService, redis_client: redis.Redis) -> None:
    """A series exists before its first increment, so that rate() sees that one too."""
    metrics.counter("api_errors", "Requests refused.", ["endpoint"]).labels(endpoint="/join")
    metrics.flush()
    assert value(redis_client, "metrics:counter:api_errors:endpoint=/join") == 0


def test_creating_a_child_never_resets_a_series(redis_url: str, redis_client: redis.Redis) -> None:
    """A new process continues where the one before it ended."""
    for _ in range(3):
        with RedisMetricsService(redis_url) as metrics:
            metrics.counter("c", "Help.").inc(2)
            metrics.gauge("g", "Help.").inc(2)
    assert value(redis_client, "metrics:counter:c") == 6
    assert value(redis_client, "metrics:gauge:g") == 6


def test_it_flushes_by_itself(redis_url: str, redis_client: redis.Redis) -> None:
    """Within an interval, what was recorded is in Redis, without any call."""
    with RedisMetricsService(redis_url, flush_interval=0.05) as metrics:
        metrics.counter("c", "Help.").inc()
        wait_until(lambda: value(redis_client, "metrics:counter:c") == 1, "the flush")


def test_every_request_to_flush_is_heard(metrics: RedisMetricsService) -> None:
    """However many threads ask, and whenever the flush thread wakes, none waits for the next interval."""
    served: list[int] = []

    def ask() -> None:
        for n in range(200):
            metrics.flush(timeout=5)
            served.append(n)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(served) == 800


def test_more_series_than_a_batch_holds(metrics: RedisMetricsService, redis_client: redis.Redis) -> None:
    """Thousands of series make several batches in several round trips, and all arrive."""
    events = metrics.counter("c", "Help.", ["n"])
    for n in range(6000):
        events.labels(n=n).inc(n)
    metrics.flush()
    texts = redis_client.mget([f"metrics:counter:c:n={n}" for n in range(6000)])
    assert [json.loads(text or "")["value"] for text in texts] == list(range(6000))


def test_two_writers_add_up(redis_url: str, redis_client: redis.Redis) -> None:
    """Processes share a counter; their shared gauge is the sum of both."""
    with RedisMetricsService(redis_url) as a, RedisMetricsService(redis_url) as b:
        for service, n in ((a, 1), (b, 10)):
            service.counter("c", "Help.").inc(n)
            service.gauge("g", "Help.", shared="sum").set(n)
            service.flush()
        assert value(redis_client, "metrics:gauge:g") == 11
    assert value(redis_client, "metrics:counter:c") == 11


@pytest.mark.parametrize(("shared", "value_of"), [("sum", 7), ("min", 7), ("max", 7)])
def test_who_records_nothing_holds_nothing(
    redis_url: str, redis_client: redis.Redis, shared: Shared, value_of: int
) -> None:
    """A process that only declares a shared gauge does not pull its minimum to zero, nor does one that has ended."""
    with RedisMetricsService(redis_url) as idle, RedisMetricsService(redis_url) as busy:
        idle.gauge("g", "Help.", shared=shared)
        idle.flush()
        assert value(redis_client, "metrics:gauge:g") == 0
        with RedisMetricsService(redis_url) as ended:
            ended.gauge("g", "Help.", shared=shared).set(5)
            ended.flush()
        busy.gauge("g", "Help.", shared=shared).set(7)
        busy.flush()
        assert value(redis_client, "metrics:gauge:g") == value_of
    assert value(redis_client, "metrics:gauge:g") == 0


def test_a_server_that_loses_its_scripts_is_given_them_again(
    metrics: RedisMetricsService, redis_client: redis.Redis
) -> None:
    """SCRIPT FLUSH between two flushes goes unnoticed."""
    for _ in range(2):
        metrics.counter("c", "Help.").inc()
        metrics.flush()
        redis_client.script_flush()
    assert value(redis_client, "metrics:counter:c") == 2


def test_a_server_that_loses_its_data_is_filled_again(metrics: RedisMetricsService, redis_client: redis.Redis) -> None:
    """After FLUSHALL every series comes back: counters from zero, gauges with the value this writer knows."""
    metrics.counter("c", "Help.").inc(5)
    metrics.gauge("g", "Help.").set(7)
    metrics.flush()
    redis_client.flushall()
    metrics.flush()  # meets the new epoch
    metrics.flush()
    assert value(redis_client, "metrics:counter:c") == 0
    assert value(redis_client, "metrics:gauge:g") == 7
    assert json.loads(redis_client.hget("metrics.meta", "c") or "")["help"] == "Help."


def test_nothing_is_lost_while_redis_is_dead(own_server: RedisServer) -> None:
    """What is recorded before, during and after an outage adds up, exactly."""
    with RedisMetricsService(own_server.url, flush_interval=0.05) as metrics:
        total, counter = 0, metrics.counter("c", "Help.")
        for _ in range(3):
            own_server.kill()
            for _ in range(100):
                counter.inc()
                total += 1
            with pytest.raises(FlushError, match="did not acknowledge"):
                metrics.flush(timeout=0.2)
            own_server.start()
            metrics.flush(timeout=20)
            assert value(own_server.client, "metrics:counter:c") == total


def test_a_paused_server_counts_nothing_twice(own_server: RedisServer) -> None:
    """A batch whose answer timed out is applied when the server wakes, and recognized when it comes again."""
    with RedisMetricsService(own_server.url, flush_interval=600) as metrics:
        counter = metrics.counter("c", "Help.")
        counter.inc(3)
        own_server.pause()
        with pytest.raises(FlushError):
            metrics.flush(timeout=2.5)
        own_server.resume()
        counter.inc(4)
        metrics.flush()
        assert value(own_server.client, "metrics:counter:c") == 7


def test_recording_does_not_wait_for_redis() -> None:
    """With nothing listening, a hundred thousand increments are taken all the same."""
    metrics = RedisMetricsService(f"redis://127.0.0.1:{free_port()}/0", flush_interval=0.05)
    counter = metrics.counter("c", "Help.")
    for _ in range(100_000):
        counter.inc()
    assert metrics.stats().recorded == 100_000
    with pytest.raises(FlushError, match=r"Is the server up\?"):
        metrics.close(timeout=0.2)


def test_a_poisoned_series_is_dropped_counted_and_named_once(
    metrics: RedisMetricsService, redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """Its neighbors are written; the log has one line with the key and the reason."""
    redis_client.set("metrics:counter:c", "garbage")
    poisoned, healthy = metrics.counter("c", "Help."), metrics.counter("d", "Help.")
    for _ in range(3):
        poisoned.inc()
        healthy.inc()
        metrics.flush()
    metrics.flush()
    assert value(redis_client, "metrics:counter:d") == 3
    assert value(redis_client, "metrics:counter:labkit_writer_series_dropped_total:reason=json") == 3
    assert [r.getMessage() for r in caplog.records if "metrics:counter:c could" in r.getMessage()] != []
    assert sum("metrics:counter:c could" in r.getMessage() for r in caplog.records) == 1


def test_idle_series_are_refreshed(redis_url: str, redis_client: redis.Redis) -> None:
    """A series lives as long as its writer, and expires its time to live after it."""
    with RedisMetricsService(redis_url, flush_interval=0.05, ttl=1.0) as metrics:
        metrics.counter("c", "Help.").inc()
        metrics.flush()
        version = int(redis_client.zscore("metrics.index", "metrics:counter:c") or 0)
        wait_until(lambda: (redis_client.zscore("metrics.index", "metrics:counter:c") or 0) > version, "a refresh")
        assert value(redis_client, "metrics:counter:c") == 1
    wait_until(lambda: not redis_client.exists("metrics:counter:c"), "the expiry")


def test_closing_twice_and_flushing_after() -> None:
    """A closed writer says so, instead of keeping what nobody will send."""
    metrics = RedisMetricsService(f"redis://127.0.0.1:{free_port()}/0")
    with pytest.raises(FlushError):
        metrics.close(timeout=0.1)
    metrics.close()
    with pytest.raises(FlushError, match="closed"):
        metrics.flush()
    # It is not waited for beyond the timeout.
    wait_until(lambda: "labkit-flush" not in [thread.name for thread in threading.enumerate()], "The thread's end")


@pytest.mark.parametrize(
    ("build", "error"),
    [
        (lambda: RedisMetricsService("http://127.0.0.1"), ConnectionFailed),
        (lambda: RedisMetricsService("redis://user:secret@127.0.0.1:port"), ConnectionFailed),
        (lambda: RedisMetricsService(flush_interval=0), MetricError),
        (lambda: RedisMetricsService(flush_interval=10, ttl=5), MetricError),
        (lambda: RedisMetricsService(ttl=float("inf")), MetricError),
        (lambda: RedisMetricsService(ttl=1e16), MetricError),
        (lambda: RedisMetricsService(flush_interval=1e-9, ttl=1e-8), MetricError),
        (lambda: RedisMetricsService(flush_interval="5"), MetricError),  # type: ignore[arg-type]
        (lambda: RedisMetricsService(lease=-1), MetricError),
        (lambda: RedisMetricsService(lease=1e308), MetricError),
        (lambda: RedisMetricsService(lease=float("nan")), MetricError),
        (lambda: RedisMetricsService(prefix="a:b"), MetricError),
        (lambda: RedisMetricsService(max_series=0), MetricError),
    ],
)
def test_options_that_make_no_sense_fail_at_once(build: Callable[[], object], error: type[Exception]) -> None:
    """A mistake in the configuration is an error at the start, and never shows a password."""
    with pytest.raises(error) as caught:
        build()
    assert "secret" not in str(caught.value)


def test_a_password_is_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the repr, nor an error, nor the log has it."""
    caplog.set_level(logging.DEBUG)
    metrics = RedisMetricsService(f"redis://:s3cret@127.0.0.1:{free_port()}/0")
    with pytest.raises(FlushError) as caught:
        metrics.close(timeout=0.3)
    assert "s3cret" not in f"{metrics!r} {caught.value} {caplog.text}"
    assert ":***@" in repr(metrics)


def test_after_a_fork_each_process_sends_its_own(redis_url: str, redis_client: redis.Redis) -> None:
    """What the parent had not sent stays the parent's, and the child's counts arrive beside it."""
    metrics = RedisMetricsService(redis_url, flush_interval=600)
    counter = metrics.counter("c", "Help.")
    counter.inc(1)
    child = os.fork()
    if child == 0:
        counter.inc(10)
        metrics.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert value(redis_client, "metrics:counter:c") == 10
    metrics.close()
    assert value(redis_client, "metrics:counter:c") == 11


def test_a_child_that_may_not_start_a_thread_tries_again(redis_url: str, redis_client: redis.Redis) -> None:
    """At its next flush, each service on its own; what was recorded meanwhile is sent."""
    services = [RedisMetricsService(redis_url, flush_interval=600, prefix=prefix) for prefix in ("a", "b")]
    counters = [service.counter("c", "Help.") for service in services]
    before = threading.stack_size(1 << 46)  # more than there is
    child = os.fork()
    if child == 0:
        counters[0].inc()
        counters[1].inc()
        threading.stack_size(before)
        for service in services:
            service.flush()
        os._exit(0)
    threading.stack_size(before)
    assert os.waitpid(child, 0)[1] == 0
    assert [value(redis_client, f"{prefix}:counter:c") for prefix in ("a", "b")] == [1, 1]
    for service in services:
        service.close()


@pytest.mark.parametrize("transfer", [pickle.dumps, copy.copy, copy.deepcopy])
def test_nothing_of_a_service_can_be_sent_elsewhere(
    metrics: RedisMetricsService, transfer: Callable[[object], object]
) -> None:
    """Neither to another process nor as a copy; the error says what to do instead."""
    labelled = metrics.counter("c", "Help.", ["label"])
    for one in (metrics, labelled, labelled.labels(label="x"), metrics.gauge("g", "Help.")):
        with pytest.raises(MetricError, match="make a service per process"):
            transfer(one)


def test_a_short_script_is_flushed_at_its_end(redis_url: str, redis_client: redis.Redis) -> None:
    """A program that ends before the first interval loses nothing."""
    code = f"import labkit; labkit.RedisMetricsService({redis_url!r}).counter('c', 'Help.').inc(3)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert value(redis_client, "metrics:counter:c") == 3
