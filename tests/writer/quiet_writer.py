"""A writer whose accounts can be compared with what the test did."""

from labkit import RedisMetricsService
from labkit.keyspace.keys import Keys
from labkit.writer.registry import Registry
from labkit.writer.self_metrics import SelfMetrics


def kept_at_home(_: object = None) -> SelfMetrics:
    """The metrics of a writer about itself, in a registry that nobody sends."""
    return SelfMetrics(Registry(Keys("home"), 100))


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
