"""Batch: what the flush thread does each time it wakes, separate from the thread.

Folding turns records into changes, and freezing turns changes into numbered batches, which are then delivered.
"""

import logging
import random
from collections.abc import Callable, Iterator, Sequence
from time import monotonic, perf_counter, sleep

from redis.exceptions import RedisError

from labkit.writer.backoff import next_backoff
from labkit.writer.batch import SERIES_PER_BATCH, Batch, Change
from labkit.writer.delivery import Delivery
from labkit.writer.metrics import NOW, SLICE, Gauge, Metric, Mode
from labkit.writer.registry import Registry, Removal
from labkit.writer.telemetry import Telemetry, WriterStats
from labkit.writer.timing import Timing

log = logging.getLogger("labkit")

# Between two flushes, a series is folded when it has this many records: fewer cost more to fold than to keep.
FOLD_AT = 32
# The application waits for the interpreter while so many series are checked: a fraction of a millisecond.
LOOKED_AT = 4096


class Flusher:
    """Delivers what was recorded to Redis, each record once. Belongs to one thread; nothing here is locked.

    `clock` counts seconds and never goes back.
    """

    def __init__(
        self,
        delivery: Delivery,
        registry: Registry,
        telemetry: Telemetry,
        timing: Timing,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._delivery, self._registry, self._telemetry = delivery, registry, telemetry
        self.timing, self._clock = timing, clock
        self._outbox = delivery.outbox
        self._removals: list[Removal] = []
        self._recorded = self._folded_since_pause = 0
        self._last_flush = clock()
        self.failures, self.last_error = 0, ""

    def fold(self) -> None:
        """Fold the long lists, and let the application run in between."""
        # Here, and not only at a flush, which may fail for hours while children come and go.
        for child in self._registry.departed():
            self._forget(child)
        series = self._registry.series()
        for start in range(0, len(series), LOOKED_AT):
            for one in [one for one in series[start : start + LOOKED_AT] if len(one.records) >= FOLD_AT]:
                self._fold(one)
            sleep(0)

    def retime(self, timing: Timing) -> None:
        """Continue with other durations. Entries in shared gauges are renewed at once: theirs may now be too short."""
        self.timing = timing
        self._outbox.retime(timing)
        for series in self._registry.series():
            if series.declaration.shared != "last":
                series.hurry()

    def flush(self) -> float:
        """Send everything; return how long to wait until the next time, in seconds."""
        started = perf_counter()
        try:
            self._delivery.deliver(self._freeze())
        except (RedisError, OSError) as error:
            return self._failed(str(error).rstrip(".") or type(error).__name__)
        except Exception as error:
            log.exception("The flush failed unexpectedly.")
            return self._failed(repr(error))
        self._succeeded(perf_counter() - started)
        return self.timing.flush_interval

    def finish(self) -> None:
        """Flush for the last time: what came in meanwhile, and that this writer's entries in shared gauges end."""
        for series in self._registry.series():
            if isinstance(series, Gauge):
                self._fold(series)
                series.withdraw()
        self.flush()

    def stats(self) -> WriterStats:
        """Return what has been done so far; exact while nothing is recorded or flushed."""
        told, series = self._telemetry, self._registry.series()
        unfolded = sum(len(one.records) for one in series)
        return WriterStats(
            series=len(series),
            recorded=self._recorded + unfolded,
            written=told.written,
            dropped=dict(told.dropped),
            pending=unfolded + sum(one.folded for one in series) + self._outbox.records,
            batches=dict(told.batches),
            histograms_folded=told.histograms_folded,
            overflows=self._registry.overflows,
            flushes=told.flushes,
            flush_seconds=told.flush_seconds,
            seconds_since_flush=self._clock() - self._last_flush,
            last_error=self.last_error,
        )

    # Folding and freezing ------------------------------------------------------------------------------------

    def _fold(self, series: Metric) -> None:
        # As many slices as there are now: an application that never pauses must not keep us here.
        for _ in range(0, len(series.records), SLICE):
            self._folded_since_pause += self._fold_slice(series)
            if self._folded_since_pause >= SLICE:
                self._folded_since_pause = 0
                sleep(0)

    def _fold_slice(self, series: Metric) -> int:
        folded = series.fold()
        # So that a tick need check nothing else of the many series that did not change.
        series.due_at = min(series.due_at, NOW)
        self._recorded += folded
        return folded

    def _freeze(self) -> Iterator[Batch]:
        removals, departed, series = self._registry.snapshot()
        self._removals += removals
        for child in departed:
            self._forget(child)
        yield from self._freeze_removals()
        changes: list[Metric] = []
        for start in range(0, len(series), LOOKED_AT):
            now = self._clock()
            changes += [one for one in series[start : start + LOOKED_AT] if one.records or now >= one.due_at]
            while len(changes) >= SERIES_PER_BATCH:
                yield from self._freeze_changes(changes[:SERIES_PER_BATCH])
                del changes[:SERIES_PER_BATCH]
            sleep(0)
        yield from self._freeze_changes(changes)

    def _freeze_changes(self, some: Sequence[Metric]) -> Iterator[Batch]:
        now, changes = self._clock(), list[Change]()
        for series in some:
            self._fold(series)
            records, mode = series.folded, series.mode
            operation = series.operation(mode)
            series.settle()
            series.due_at = now + self._refresh_after(series)
            if operation is None:
                self._telemetry.drop(series.key, "overflow", records)
            else:
                changes.append((series.key, _as_the_script_takes_it(operation, mode), records))
        if changes:
            yield self._outbox.add(changes, self._registry.announce({series.declaration.name for series in some}))

    def _freeze_removals(self) -> list[Batch]:
        keys = list(dict.fromkeys(key for removal in self._removals for key in self._keys_of(removal)))
        self._removals.clear()
        chunks = [keys[start : start + SERIES_PER_BATCH] for start in range(0, len(keys), SERIES_PER_BATCH)]
        return [self._outbox.add([(key, '["remove"]', 0) for key in chunk], {}) for chunk in chunks]

    def _keys_of(self, removal: Removal) -> list[str]:
        return [removal.key, *(self._delivery.keys_like(removal.pattern) if removal.pattern else ())]

    def _forget(self, child: Metric) -> None:
        while child.records:
            self._fold_slice(child)
        if child.folded:
            self._telemetry.drop(child.key, "removed", child.folded)
        child.forget()

    def _refresh_after(self, series: Metric) -> float:
        return self.timing.refresh_after if series.declaration.shared == "last" else self.timing.renew_after

    def _succeeded(self, seconds: float) -> None:
        if self.failures:
            log.warning("%s answers again after %d failed attempts.", self._delivery.where, self.failures)
        now, self.failures, self.last_error = self._clock(), 0, ""
        since, self._last_flush = now - self._last_flush, now
        registry = self._registry
        self._telemetry.flush(seconds, since, self._outbox.series, len(registry), registry.overflows)

    def _failed(self, error: str) -> float:
        self.failures += 1
        self.last_error = error
        self._telemetry.batch("failed")
        if self.failures == 1:
            log.warning("%s: %s. Recording continues; nothing is lost.", self._delivery.where, error)
        return next_backoff(self.failures, min(0.5, self.timing.flush_interval), random.random())  # noqa: S311  no secret


def _as_the_script_takes_it(operation: str, mode: Mode) -> str:
    # flush.lua takes whether to bring a removed series back, not yet the mode.
    return operation.replace(f'"{mode}"', "true" if mode in ("new", "record") else "false", 1)
