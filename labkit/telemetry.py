"""The writer's own metrics. They travel the way of all the others."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labkit.service import RedisMetricsService

OUTCOMES = ("applied", "duplicate", "failed", "forgotten")


class Telemetry:
    """What a `RedisMetricsService` counts of itself, in its own series."""

    def __init__(self, service: "RedisMetricsService") -> None:
        batches = service.counter(
            "labkit_writer_batches_total", "Batches sent to Redis, by what became of them.", ["outcome"]
        )
        self.batches = {outcome: batches.labels(outcome=outcome) for outcome in OUTCOMES}
        self.dropped = service.counter(
            "labkit_writer_series_dropped_total",
            "Changes to a series that Redis could not take, by reason.",
            ["reason"],
        )
        self.folded = service.counter(
            "labkit_writer_histograms_folded_total",
            "Histogram changes folded into the other bounds that Redis holds.",
        )
        self.overflows = service.gauge(
            "labkit_writer_overflows", "Label sets that found max_series reached.", shared="sum"
        )
        self.pending = service.gauge(
            "labkit_writer_pending_series", "Series that wait for an answer from Redis.", shared="sum"
        )
        self.held = service.gauge("labkit_writer_series", "Series held by the living writers.", shared="sum")
        self.age = service.gauge(
            "labkit_writer_last_flush_age_seconds",
            "Time between the two latest acknowledged flushes, of the slowest writer.",
            shared="max",
        )
        self.flush_seconds = service.histogram(
            "labkit_writer_flush_seconds",
            "Time to build, send and get acknowledged all that was recorded in one interval.",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
            unit="s",
        )
