"""Batch: what the flush thread does each time it wakes, separate from the thread.

Folding turns records into changes, and freezing turns changes into numbered batches, which are then delivered.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from time import monotonic, perf_counter, sleep

from redis.exceptions import RedisError

from labkit.writer.attempts import Attempts
from labkit.writer.batch import BYTES_PER_BATCH, SERIES_PER_BATCH, Batch
from labkit.writer.delivery import Delivery
from labkit.writer.instrument import SLICE, Instrument
from labkit.writer.instruments import Gauge
from labkit.writer.options import WriterOptions
from labkit.writer.probe import Probe
from labkit.writer.registry import Registry, Removal
from labkit.writer.self_metrics import SelfMetrics, WriterStats

log = logging.getLogger("labkit")

# Between two flushes, a series is folded when it has this many records: fewer cost more to fold than to keep.
FOLD_AT = 32
# The application waits for the interpreter while so many series are checked: a fraction of a millisecond.
LOOKED_AT = 4096


class Flusher:
    """Delivers what was recorded to Redis, each record once. Belongs to one thread; nothing here is locked.

    `probe` asks a server that is away whether it is back; `clock` counts seconds and never goes back.
    """

    def __init__(  # noqa: PLR0913  what it is made of
        self,
        delivery: Delivery,
        registry: Registry,
        self_metrics: SelfMetrics,
        options: WriterOptions,
        probe: Probe,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._delivery, self._registry, self._self_metrics = delivery, registry, self_metrics
        self.options, self._clock = options, clock
        self._outbox = delivery.outbox
        self._removals: dict[Removal, None] = {}
        # Series that are in the batch of this number, if that was made, and when they are due next; to be settled.
        self._frozen: tuple[int, list[tuple[Instrument, float]]] = (0, [])
        self._recorded = self._folded_since_pause = 0
        self._last_flush = clock()
        self._attempts = Attempts(probe, options.flush_interval, clock)

    @property
    def failures(self) -> int:
        """How many attempts in a row have failed."""
        return self._attempts.failures

    @property
    def last_error(self) -> str:
        """Why the last one did; empty if it did not."""
        return self._attempts.last_error

    @property
    def due_in(self) -> float:
        """Seconds until the next flush; 0 if it is due."""
        return max(0.0, self._attempts.due_at - self._clock())

    def look(self) -> None:
        """While the server is away: ask whether it is back, and if so, have the next flush soon."""
        self._attempts.look(self.options.flush_interval)

    def fold(self) -> None:
        """Fold the long lists, and let the application run in between."""
        self._settle()
        # Here, and not only at a flush, which may fail for hours while children come and go.
        self._forget_departed()
        series = self._registry.series()
        for start in range(0, len(series), LOOKED_AT):
            for one in [one for one in series[start : start + LOOKED_AT] if len(one.records) >= FOLD_AT]:
                self._fold(one)
            sleep(0)

    def retime(self, options: WriterOptions) -> None:
        """Continue with other durations. Entries in shared gauges are renewed at once: theirs may now be too short."""
        self.options = options
        self._outbox.retime(options)
        for series in self._registry.series():
            if series.descriptor.shared != "last":
                series.hurry()

    def flush(self) -> float:
        """Send everything; return how long to wait until the next time, in seconds."""
        started = perf_counter()
        try:
            self._settle()
            self._delivery.deliver(self._freeze())
        except (RedisError, OSError) as error:
            return self._failed(error)
        except Exception as error:
            log.exception("The flush failed unexpectedly.")
            return self._failed(error)
        return self._succeeded(perf_counter() - started)

    def finish(self) -> None:
        """Flush for the last time: what came in meanwhile, and that this writer's entries in shared gauges end."""
        for series in self._registry.series():
            if isinstance(series, Gauge):
                self._fold(series)
                series.withdraw()
        self.flush()

    def stats(self) -> WriterStats:
        """Return what has been done so far; exact while nothing is recorded or flushed."""
        told, series = self._self_metrics, self._registry.series()
        unfolded = sum(len(one.records) for one in series)
        return WriterStats(
            series=len(series),
            recorded=self._recorded + unfolded,
            written=told.written,
            dropped=dict(told.dropped),
            pending=unfolded + sum(one.folded for one in series) + self._outbox.records,
            batches=dict(told.batches),
            missing=told.missing,
            histograms_folded=told.histograms_folded,
            overflows=self._registry.overflows,
            flushes=told.flushes,
            flush_seconds=told.flush_seconds,
            seconds_since_flush=self._clock() - self._last_flush,
            seconds_to_next_try=self._attempts.next_in,
            last_error=self.last_error,
        )

    # Folding and freezing ------------------------------------------------------------------------------------

    def _fold(self, series: Instrument) -> None:
        # As many slices as there are now: an application that never pauses must not keep us here.
        for _ in range(0, len(series.records), SLICE):
            self._folded_since_pause += self._fold_slice(series)
            if self._folded_since_pause >= SLICE:
                self._folded_since_pause = 0
                sleep(0)

    def _fold_slice(self, series: Instrument) -> int:
        folded = series.fold()
        self._recorded += folded
        return folded

    def _freeze(self) -> Iterator[Batch]:
        removals, _, series = self._registry.snapshot()
        self._removals |= dict.fromkeys(removals)
        self._forget_departed()
        yield from self._freeze_removals()
        changes: list[Instrument] = []
        for start in range(0, len(series), LOOKED_AT):
            now = self._clock()
            changes += [one for one in series[start : start + LOOKED_AT] if one.records or now >= one.due_at]
            while len(changes) >= SERIES_PER_BATCH:
                yield from self._freeze_changes(changes[:SERIES_PER_BATCH])
                del changes[:SERIES_PER_BATCH]
            sleep(0)
        yield from self._freeze_changes(changes)

    def _freeze_changes(self, some: Sequence[Instrument]) -> Iterator[Batch]:
        frozen, size = list[tuple[Instrument, str]](), 0
        for series in some:
            self._fold(series)
            operation = series.collect()
            if operation is None:
                self._drop(series, "overflow")
                continue
            if frozen and size + len(operation) > BYTES_PER_BATCH:
                yield self._freeze_batch(frozen)
                frozen, size = [], 0
            frozen.append((series, operation))
            size += len(series.key) + len(operation)
        if frozen:
            yield self._freeze_batch(frozen)

    def _freeze_batch(self, frozen: Sequence[tuple[Instrument, str]]) -> Batch:
        now = self._clock()
        due = [now + self._refresh_after(series) for series, _ in frozen]
        names = {series.descriptor.name for series, _ in frozen}
        changes = [(series.key, operation, series.folded) for series, operation in frozen]
        self._frozen = self._outbox.next, list(zip((series for series, _ in frozen), due, strict=True))
        batch = self._outbox.add(changes, self._registry.unannounced(names))
        self._settle()
        self._registry.announced(names)
        return batch

    def _settle(self) -> None:
        # What is in the batch must not be counted again, and what is not, not given up: whatever fails here is done
        # before anything else.
        number, frozen = self._frozen
        while frozen and number < self._outbox.next:
            series, due_at = frozen[-1]
            series.settle(due_at)
            frozen.pop()

    def _freeze_removals(self) -> list[Batch]:
        keys = {key: removal.shared for removal in self._removals for key in self._keys_of(removal)}
        changes = [(key, '["remove","shared"]' if shared else '["remove"]', 0) for key, shared in keys.items()]
        chunks = [changes[start : start + SERIES_PER_BATCH] for start in range(0, len(changes), SERIES_PER_BATCH)]
        batches = [self._outbox.add(chunk, {}) for chunk in chunks]
        self._removals.clear()
        return batches

    def _keys_of(self, removal: Removal) -> list[str]:
        return [removal.key, *(self._delivery.keys_like(removal.pattern) if removal.pattern else ())]

    def _forget_departed(self) -> None:
        for child in self._registry.departed():
            while child.records:
                self._fold_slice(child)
            self._drop(child, "removed")
            self._registry.forget_oldest()

    def _drop(self, series: Instrument, reason: str) -> None:
        if records := series.folded:
            self._self_metrics.settle(0, {reason: records}, series.reset)
            self._self_metrics.tell_dropped(series.key, reason, records)

    def _refresh_after(self, series: Instrument) -> float:
        return self.options.refresh_after if series.descriptor.shared == "last" else self.options.renew_after

    def _succeeded(self, seconds: float) -> float:
        if self.failures:
            log.warning("%s answers again after %d failed attempts.", self._delivery.where, self.failures)
        now, registry = self._clock(), self._registry
        since, self._last_flush = now - self._last_flush, now
        wait = self._attempts.succeeded(self.options.flush_interval)
        self._self_metrics.flush(seconds, since, self._outbox.series, len(registry), registry.overflows)
        return wait

    def _failed(self, error: Exception) -> float:
        wait = self._attempts.failed(error, self.options.flush_interval)
        self._self_metrics.batch("failed")
        if self.failures == 1:
            log.warning("%s: %s. Recording continues; nothing is lost.", self._delivery.where, self.last_error)
        return wait
