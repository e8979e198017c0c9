"""What the writer knows about itself: as numbers for `RedisMetricsService.stats()`, and as metrics of its own.

Everything is counted once; after each flush the metrics are brought up to what was counted. They travel like all
others, so Prometheus shows the state of the writer when it last wrote.
"""

import logging
from collections import Counter as Totals
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from labkit.writer.descriptor import Descriptor, Shared
from labkit.writer.instruments import Counter, Gauge, Histogram
from labkit.writer.registry import Registry

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
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)

# A series that is dropped: its key, why, and how many records that costs.
Drop = tuple[str, str, int]


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


class SelfMetrics:
    """Counts what happens to batches and records, and shows it in metrics of `registry`. Flush thread only."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._outcomes = self._counter("batches_total", "Batches sent to Redis, by outcome.", "outcome")
        self._records = self._counter("records_total", "Recorded values, by whether Redis has them.", "outcome")
        self._reasons = self._counter(
            "series_dropped_total", "Changes to a series that Redis could not take, by reason.", "reason"
        )
        self._folded = self._counter(
            "histograms_folded_total", "Histogram changes folded into the other bounds that Redis holds."
        )
        self._missing = self._counter(
            "series_missing_total",
            "Series that Redis should have held and did not: expired early, evicted, or deleted by hand.",
        )
        self._overflows = self._gauge("overflows", "Lookups of new label sets that found max_series reached.", "sum")
        self._pending = self._gauge("pending_series", "Series waiting for an answer from Redis.", "sum")
        self._series = self._gauge("series", "Series held by the living writers.", "sum")
        self._age = self._gauge(
            "last_flush_age_seconds", "Time between the two latest acknowledged flushes, of the slowest writer.", "max"
        )
        took = "Time to build, send and get acknowledged all that was recorded in one interval."
        described = Descriptor("histogram", "labkit_writer_flush_seconds", took, unit="s", buckets=_SECONDS)
        self._seconds = registry.declare(described, Histogram)
        self.start()
        # Visible at zero from the start, so that the first of each is an increase.
        for metric, value, _ in self._counted():
            if value:
                metric.labels(value)

    def start(self) -> None:
        """Count from zero: at the start, and in a child process after a fork."""
        self.batches: Totals[Outcome] = Totals(dict.fromkeys(OUTCOMES, 0))
        self.dropped, self._dropped_changes = Totals[str](), Totals[str]()
        self._complained: set[str] = set()
        self.written = self.missing = self.histograms_folded = self.flushes = 0
        self.flush_seconds = 0.0
        self._shown = Totals[tuple[str, str]]()

    def batch(self, outcome: Outcome, count: int = 1, *, folded: int = 0, missing: int = 0) -> None:
        """Count batches; histograms folded into other bounds, and series that Redis should have held, come with one."""
        self.batches[outcome] += count
        self.histograms_folded += folded
        self.missing += missing

    def settle(self, written: int, dropped: Sequence[Drop], forget: Callable[[], object]) -> None:
        """Account for records, and `forget` where they waited: both, or neither if that fails."""
        total, records, changes = self.written + written, self.dropped.copy(), self._dropped_changes.copy()
        for _, reason, count in dropped:
            changes[reason] += 1
            if count:
                records[reason] += count
        forget()
        self.written, self.dropped, self._dropped_changes = total, records, changes
        for key, reason, _ in dropped:
            self._complain(key, reason)

    def _complain(self, key: str, reason: str) -> None:
        if key not in self._complained and reason != "removed":
            self._complained.add(key)
            log.warning("%s could not be written: %s. %s", key, reason, _REMEDIES.get(reason, _FOREIGN))

    def flush(self, seconds: float, since_last: float, pending: int, series: int, overflows: int) -> None:
        """Count an acknowledged flush."""
        self.flushes += 1
        self.flush_seconds += seconds
        self._seconds.observe(seconds)
        self._age.set(since_last)
        self._pending.set(pending)
        self._series.set(series)
        self._overflows.set(overflows)
        self._show()

    def fail(self) -> None:
        """Count an attempt to flush that failed."""
        self.batch("failed")
        self._show()

    def _show(self) -> None:
        """Bring the counters up to what was counted; the next flush sends them."""
        for metric, value, total in self._counted():
            if new := total - self._shown[metric.key, value]:
                (metric.labels(value) if value else metric).inc(new)
                self._shown[metric.key, value] = total

    def _counted(self) -> Iterator[tuple[Counter, str, int]]:
        """Yield each counter with the value of its label, if it has one, and what was counted."""
        for outcome in OUTCOMES:
            yield self._outcomes, outcome, self.batches[outcome]
        for reason in REASONS:
            yield self._reasons, reason, self._dropped_changes[reason]
        yield self._records, "written", self.written
        yield self._records, "dropped", self.dropped.total()
        yield self._folded, "", self.histograms_folded
        yield self._missing, "", self.missing

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return self._registry.declare(Descriptor("counter", f"labkit_writer_{name}", text, labels), Counter)

    def _gauge(self, name: str, text: str, shared: Shared) -> Gauge:
        return self._registry.declare(Descriptor("gauge", f"labkit_writer_{name}", text, shared=shared), Gauge)
