"""A writer whose accounts can be compared with what the test did."""

from collections.abc import Callable
from time import monotonic

import redis

from labkit import RedisMetricsService
from labkit.keyspace.keys import Keys
from labkit.writer.batch import Outbox
from labkit.writer.delivery import Delivery
from labkit.writer.options import WriterOptions
from labkit.writer.probe import Probe
from labkit.writer.registry import Registry
from labkit.writer.scripts import WriteScripts
from labkit.writer.self_metrics import SelfMetrics
from labkit.writer.worker import Worker


def kept_at_home(_: object = None) -> SelfMetrics:
    """The metrics of a writer about itself, in a registry that nobody sends."""
    return SelfMetrics(Registry(Keys("home"), 100))


def without_thread(client: redis.Redis, registry: Registry, clock: Callable[[], float] = monotonic) -> Worker:
    """A worker that does only what the test asks it to."""
    self_metrics, scripts = kept_at_home(), WriteScripts(client, Keys())
    delivery = Delivery(Outbox(WriterOptions()), scripts, registry, self_metrics, "the server")
    return Worker(registry, self_metrics, delivery, Probe(client), clock=clock)


class QuietWriter(RedisMetricsService):
    """Keeps its metrics about itself at home, so that `stats()` counts the records of the test and no others."""

    _self_metrics = staticmethod(kept_at_home)


def accounts_balance(writer: RedisMetricsService) -> None:
    """Every record is written, dropped for a reason, or waits. Exact while nothing is recorded or flushed."""
    stats = writer.stats()
    assert stats.recorded == stats.written + sum(stats.dropped.values()) + stats.pending, stats


def accounts_are_settled(writer: RedisMetricsService, calls: int, dropped: int = 0) -> None:
    """Nothing waits; of the calls that the test made, Redis has all but those dropped."""
    accounts_balance(writer)
    stats = writer.stats()
    assert (stats.recorded, sum(stats.dropped.values()), stats.pending) == (calls, dropped, 0), stats
