"""What becomes of a service that is made again: the last one counts, and nothing that can still be recorded is lost."""

import gc
import importlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from harness.process import wait_until
from labkit import RedisMetricsService
from labkit.writer import writer
from labkit.writer.metrics import Counter
from tests.writer.test_service import value

CELL = """
from labkit import RedisMetricsService
metrics = RedisMetricsService({url!r}, flush_interval=0.05)
held = metrics.gauge("held", "What each service holds.", shared="sum")
held.set(5)
counted = metrics.counter("counted", "What was counted, by where.", ["where"])
counted.labels(where="cell").inc()
"""


def threads() -> int:
    return sum(thread.name == "labkit-flush" for thread in threading.enumerate())


@pytest.fixture
def quiet() -> Iterator[None]:
    """No flush thread of another test is there any more, and in the end none of this one."""
    wait_until(lambda: not threads(), "the end of other tests' threads")
    yield
    wait_until(lambda: not threads(), "the end of this test's threads")


def check_the_last_one_counts(client: redis.Redis, times: int) -> None:
    wait_until(lambda: threads() == 1, "the end of those before")
    # The sum of one may also be that of one before: only now it is the last one's.
    wait_until(lambda: value(client, "metrics:gauge:held") == 5, "the sum of one")
    assert value(client, "metrics:counter:counted:where=cell") == times


def test_a_cell_that_is_run_again(quiet: None, redis_url: str, redis_client: redis.Redis) -> None:
    """Its first service ends with a last flush when nothing of it is left: sums, threads and connections are one's."""
    names: dict[str, RedisMetricsService] = {}
    for _ in range(3):
        exec(CELL.format(url=redis_url), names)  # noqa: S102  what a notebook does
    check_the_last_one_counts(redis_client, times=3)
    names["metrics"].close()


def test_a_module_that_is_loaded_again(
    quiet: None, redis_url: str, redis_client: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by importlib.reload, as %autoreload does."""
    (tmp_path / "made_again.py").write_text(CELL.format(url=redis_url))
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("made_again")
    for _ in range(2):
        importlib.reload(module)
    check_the_last_one_counts(redis_client, times=3)
    module.metrics.close()
    del sys.modules["made_again"]


class App:
    """Refers to itself, as an application with routes does."""

    def __init__(self, url: str) -> None:
        self.metrics = RedisMetricsService(url, flush_interval=0.05)
        self.metrics.gauge("held", "What each service holds.", shared="sum").set(5)
        self.metrics.counter("counted", "What was counted, by where.", ["where"]).labels(where="cell").inc()
        self.routes = [self.answer]

    def answer(self) -> None: ...


def test_an_application_that_is_made_again(quiet: None, redis_url: str, redis_client: redis.Redis) -> None:
    """A factory, called for each test, leaves no service behind once its application is collected."""
    app = [App(redis_url) for _ in range(3)][-1]
    gc.collect()
    check_the_last_one_counts(redis_client, times=3)
    app.metrics.close()


def keep(metrics: RedisMetricsService, how: str) -> Counter:
    counted = metrics.counter("counted", "What was counted, by where.", ["where"])
    return counted.labels(where="kept") if how == "child" else counted


@pytest.mark.parametrize("how", ["metric", "child"])
def test_a_metric_keeps_its_service(quiet: None, redis_url: str, redis_client: redis.Redis, how: str) -> None:
    """Whoever kept one can record to it for ever, even if the service was not kept and another one was made."""
    kept = keep(RedisMetricsService(redis_url, flush_interval=0.05), how)
    with RedisMetricsService(redis_url, flush_interval=0.05) as other:
        for _ in range(2):
            before = other.stats().flushes
            wait_until(lambda: other.stats().flushes > before + 2, "some flushes")  # noqa: B023  called at once
            assert threads() == 2
            (kept if how == "child" else kept.labels(where="kept")).inc()
        wait_until(lambda: value(redis_client, "metrics:counter:counted:where=kept") == 2, "both records")
        del kept
        wait_until(lambda: threads() == 1, "the end of the one that nobody can use")


def test_two_services_that_do_the_same_are_named_once(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If both are kept, the log says what that costs."""
    monkeypatch.setattr(writer, "PATIENCE", 0.0)
    with RedisMetricsService(redis_url, flush_interval=0.01) as one, RedisMetricsService(redis_url):
        wait_until(lambda: one.stats().flushes > 5, "some flushes")
    assert sum("exists more than once in this process" in record.getMessage() for record in caplog.records) == 1
