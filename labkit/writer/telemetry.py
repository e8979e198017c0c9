"""What the writer knows about itself: as numbers for `RedisMetricsService.stats()`, and as metrics of its own.

The metrics travel like all others, so Prometheus shows the state of the writer when it last wrote.
"""

import logging
from collections import Counter as Totals
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from labkit.writer.metrics import Counter, Gauge, Histogram

log = logging.getLogger("labkit")

Outcome = Literal["applied", "duplicate", "failed", "forgotten", "rejected"]
OUTCOMES: tuple[Outcome, ...] = ("applied", "duplicate", "failed", "forgotten", "rejected")
# Why a change is dropped: flush.lua's reasons for skipping a series, and those decided here.
REASONS = (
    "wrongtype", "length", "json", "value", "bounds", "operation", "shared", "rejected", "overflow", "removed",
)  # fmt: skip
_FOREIGN = "Delete the key, or give the metric another name."
# What to do about a series that is dropped; about one that somebody removed, nothing.
_REMEDIES = {
    "shared": "Other processes share this gauge in another way; this one has its turn when the last of them ends.",
    "operation": "The server could not apply it: please report this.",
    "rejected": "The server could not read the batch it was in: please report this.",
    "overflow": "What was recorded adds up to more than a double can hold.",
}


@dataclass(frozen=True)
class WriterStats:
    """What one writer has done since its process began; `recorded == written + sum(dropped) + pending`.

    Attributes:
        series: series held in memory.
        recorded: calls of inc, dec, set and observe.
        written: of these, those that Redis acknowledged.
        dropped: of these, those that Redis could not take or that were removed, by reason.
        pending: of these, those not acknowledged yet.
        batches: batches by outcome: applied; duplicate, applied before their answer was lost; failed attempts;
            forgotten, acknowledged and then lost by the server; rejected, which the server could not read.
        missing: series that Redis should have held and did not: expired early, evicted, or deleted by hand.
        histograms_folded: changes to histograms that Redis holds with other bounds.
        overflows: lookups of new label sets that found `max_series` reached.
        flushes: flushes that were acknowledged.
        flush_seconds: time they took together, s.
        seconds_since_flush: time since the last one, or since the start, s.
        seconds_to_next_try: time until the next flush or, while Redis is away, the next question whether it is back, s.
        last_error: why the last attempt failed; empty if it did not.
    """

    series: int
    recorded: int
    written: int
    dropped: Mapping[str, int]
    pending: int
    batches: Mapping[Outcome, int]
    missing: int
    histograms_folded: int
    overflows: int
    flushes: int
    flush_seconds: float
    seconds_since_flush: float
    seconds_to_next_try: float
    last_error: str


class Declares(Protocol):
    """What telemetry needs from the service: to declare metrics."""

    def counter(self, name: str, help: str, labels: list[str] = ..., /) -> Counter: ...  # noqa: A002  as the service
    def gauge(self, name: str, help: str, /, *, shared: Literal["sum", "max"]) -> Gauge: ...  # noqa: A002
    def histogram(self, name: str, help: str, /, *, buckets: tuple[float, ...], unit: str) -> Histogram: ...  # noqa: A002


class Telemetry:
    """Counts what happens to batches and records. Belongs to the flush thread."""

    def __init__(self, service: Declares) -> None:
        self._batches = service.counter(
            "labkit_writer_batches_total", "Batches sent to Redis, by outcome.", ["outcome"]
        )
        self._records = service.counter(
            "labkit_writer_records_total", "Recorded values, by whether Redis has them.", ["outcome"]
        )
        self._dropped = service.counter(
            "labkit_writer_series_dropped_total",
            "Changes to a series that Redis could not take, by reason.",
            ["reason"],
        )
        self._histograms_folded = service.counter(
            "labkit_writer_histograms_folded_total",
            "Histogram changes folded into the other bounds that Redis holds.",
        )
        self._missing = service.counter(
            "labkit_writer_series_missing_total",
            "Series that Redis should have held and did not: expired early, evicted, or deleted by hand.",
        )
        self._overflows = service.gauge(
            "labkit_writer_overflows", "Lookups of new label sets that found max_series reached.", shared="sum"
        )
        self._pending = service.gauge(
            "labkit_writer_pending_series", "Series waiting for an answer from Redis.", shared="sum"
        )
        self._series = service.gauge("labkit_writer_series", "Series held by the living writers.", shared="sum")
        self._age = service.gauge(
            "labkit_writer_last_flush_age_seconds",
            "Time between the two latest acknowledged flushes, of the slowest writer.",
            shared="max",
        )
        self._seconds = service.histogram(
            "labkit_writer_flush_seconds",
            "Time to build, send and get acknowledged all that was recorded in one interval.",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
            unit="s",
        )
        self._begin_at_zero()
        self.start()

    def _begin_at_zero(self) -> None:
        """Show all outcomes from the start, so that the first of each is an increase."""
        for outcome in OUTCOMES:
            self._batches.labels(outcome=outcome)
        for fate in ("written", "dropped"):
            self._records.labels(outcome=fate)
        for reason in REASONS:
            self._dropped.labels(reason=reason)

    def start(self) -> None:
        """Count from zero: at the start, and in a child process after a fork."""
        self.batches: Totals[Outcome] = Totals(dict.fromkeys(OUTCOMES, 0))
        self.dropped: Totals[str] = Totals()
        self._complained: set[str] = set()
        self.written = self.missing = self.histograms_folded = self.flushes = 0
        self.flush_seconds = 0.0

    def batch(self, outcome: Outcome, count: int = 1) -> None:
        self.batches[outcome] += count
        self._batches.labels(outcome=outcome).inc(count)

    def settle(self, written: int, dropped: Mapping[str, int], forget: Callable[[], object]) -> None:
        """Account for records, and `forget` where they waited: both, or neither if that fails."""
        total, totals = self.written + written, self.dropped + Totals(dropped)
        forget()
        self.written, self.dropped = total, totals

    def tell_written(self, records: int) -> None:
        self._records.labels(outcome="written").inc(records)

    def tell_dropped(self, key: str, reason: str, records: int) -> None:
        """Show a change that is dropped; the log names each series once."""
        self._dropped.labels(reason=reason).inc()
        self._records.labels(outcome="dropped").inc(records)
        if key not in self._complained and reason != "removed":
            self._complained.add(key)
            log.warning("%s could not be written: %s. %s", key, reason, _REMEDIES.get(reason, _FOREIGN))

    def miss(self, series: int) -> None:
        """Count series that Redis should have held."""
        self.missing += series
        self._missing.inc(series)

    def fold_histograms(self, count: int) -> None:
        if count:
            self.histograms_folded += count
            self._histograms_folded.inc(count)

    def flush(self, seconds: float, since_last: float, pending: int, series: int, overflows: int) -> None:
        """Count an acknowledged flush."""
        self.flushes += 1
        self.flush_seconds += seconds
        self._seconds.observe(seconds)
        self._age.set(since_last)
        self._pending.set(pending)
        self._series.set(series)
        self._overflows.set(overflows)
