"""Batch: how often a writer sends, and how long Redis keeps what it sent."""

from dataclasses import dataclass, fields

from labkit.errors import MetricError

# What Redis takes, in whole milliseconds, and no more than anybody means.
SHORTEST, LONGEST = 0.001, 10 * 365 * 86400.0


@dataclass(frozen=True)
class WriterOptions:
    """The durations of one writer, in seconds.

    Attributes:
        flush_interval: between two flushes.
        ttl: how long a series outlives its last writer.
        lease: how long a writer that died counts in a shared gauge; see `effective_lease`.
    """

    flush_interval: float = 5.0
    ttl: float = 1800.0
    lease: float = 60.0

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            seconds = getattr(self, name)
            if not (isinstance(seconds, int | float) and SHORTEST <= seconds <= LONGEST):
                raise MetricError(f"{name}={seconds!r} must be a number of seconds, from {SHORTEST:g} to ten years.")
        if not self.flush_interval < self.ttl:
            raise MetricError(f"flush_interval={self.flush_interval} s must be below ttl={self.ttl} s.")

    @property
    def effective_lease(self) -> float:
        """The lease, but at least three flush intervals: a flush renews it, and one may fail."""
        return max(self.lease, 3 * self.flush_interval)

    @property
    def refresh_after(self) -> float:
        """How long a series may be idle before it is written again: early enough to fail once."""
        return self.ttl / 3

    @property
    def renew_after(self) -> float:
        """The same for an entry in a shared gauge."""
        return min(self.effective_lease, self.ttl) / 3

    def refresh_after_of(self, shared: str) -> float:
        """How long a series may be idle, by how its gauge is shared."""
        return self.refresh_after if shared == "last" else self.renew_after
