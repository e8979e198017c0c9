"""Batch: what was recorded becomes numbered batches.

Folding turns records into one aggregate per series, and freezing turns those that are due into batches.
"""

from collections.abc import Callable, Iterator, Sequence
from time import sleep

from labkit.writer.batch import BYTES_PER_BATCH, SERIES_PER_BATCH, Batch, Outbox
from labkit.writer.instrument import SLICE, Instrument
from labkit.writer.instruments import Gauge
from labkit.writer.registry import Registry, Removal
from labkit.writer.self_metrics import SelfMetrics

# Between two flushes, a series is folded when it has this many records: fewer cost more to fold than to keep.
FOLD_AT = 32
# The application waits for the interpreter while so many series are checked: a fraction of a millisecond.
LOOKED_AT = 4096


class Collector:
    """Collects what `registry` holds into `outbox`, each record once. Belongs to one thread; nothing here is locked.

    `keys_like` returns the keys in Redis that match a pattern; `clock` counts seconds and never goes back.
    """

    def __init__(
        self,
        registry: Registry,
        outbox: Outbox,
        self_metrics: SelfMetrics,
        keys_like: Callable[[str], list[str]],
        clock: Callable[[], float],
    ) -> None:
        self._registry, self._outbox, self._self_metrics = registry, outbox, self_metrics
        self._keys_like, self._clock = keys_like, clock
        # How many records were folded in all, and since the application could last run.
        self.folded = self._folded_since_pause = 0
        self._removals: dict[Removal, None] = {}
        # Series that are in the batch of this number, if that was made, and when they are due next; to be settled.
        self._frozen: tuple[int, list[tuple[Instrument, float]]] = (0, [])

    def fold(self) -> None:
        """Fold the long lists, and let the application run in between."""
        self.settle()
        # Here, and not only at a flush, which may fail for hours while children come and go.
        self._forget_removed()
        for some in self._in_steps(self._registry.series()):
            for long in [series for series in some if len(series.records) >= FOLD_AT]:
                self._fold(long)

    def settle(self) -> None:
        """Note what is in a batch: it must not be counted again, and what is not in one, not be given up.

        Whatever fails while a batch is made, this is done before anything else.
        """
        number, frozen = self._frozen
        while frozen and number < self._outbox.next:
            series, due_at = frozen[-1]
            series.settle(due_at)
            frozen.pop()

    def freeze(self) -> Iterator[Batch]:
        """Make batches of all that changed or is due, one after the other.

        Raises:
            RedisError, OSError: Redis is away, and has keys that are to be removed.
        """
        removals, _, every = self._registry.snapshot()
        self._removals |= dict.fromkeys(removals)
        self._forget_removed()
        yield from self._freeze_removals()
        due: list[Instrument] = []
        for some in self._in_steps(every):
            now = self._clock()
            due += [series for series in some if series.records or now >= series.due_at]
            while len(due) >= SERIES_PER_BATCH:
                yield from self._freeze_some(due[:SERIES_PER_BATCH])
                del due[:SERIES_PER_BATCH]
        yield from self._freeze_some(due)

    def renew_shared(self) -> None:
        """Write this writer's entries in shared gauges again: their lease may be too short now."""
        for series in self._registry.series():
            if series.descriptor.shared != "last":
                series.make_due()

    def withdraw(self) -> None:
        """With the next flush, this writer's entries in shared gauges end."""
        self.settle()
        for series in self._registry.series():
            if isinstance(series, Gauge):
                self._fold(series)
                series.withdraw()

    # ---------------------------------------------------------------------------------------------------------------

    @staticmethod
    def _in_steps(series: Sequence[Instrument]) -> Iterator[Sequence[Instrument]]:
        for start in range(0, len(series), LOOKED_AT):
            yield series[start : start + LOOKED_AT]
            sleep(0)

    def _fold(self, series: Instrument) -> None:
        # As many slices as there are now: an application that never pauses must not keep us here.
        for _ in range(0, len(series.records), SLICE):
            self._fold_slice(series)
            if self._folded_since_pause >= SLICE:
                self._folded_since_pause = 0
                sleep(0)

    def _fold_slice(self, series: Instrument) -> None:
        folded = series.fold()
        self.folded += folded
        self._folded_since_pause += folded

    def _freeze_some(self, some: Sequence[Instrument]) -> Iterator[Batch]:
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
        now, options = self._clock(), self._outbox.options
        due = [(series, now + options.refresh_after_of(series.descriptor.shared)) for series, _ in frozen]
        names = {series.descriptor.name for series, _ in frozen}
        changes = [(series.key, operation, series.folded) for series, operation in frozen]
        self._frozen = self._outbox.next, due
        batch = self._outbox.add(changes, self._registry.unannounced(names))
        self.settle()
        self._registry.announced(names)
        return batch

    def _freeze_removals(self) -> list[Batch]:
        keys = {key: removal.shared for removal in self._removals for key in self._keys_of(removal)}
        changes = [(key, '["remove","shared"]' if shared else '["remove"]', 0) for key, shared in keys.items()]
        chunks = [changes[start : start + SERIES_PER_BATCH] for start in range(0, len(changes), SERIES_PER_BATCH)]
        batches = [self._outbox.add(chunk, {}) for chunk in chunks]
        self._removals.clear()
        return batches

    def _keys_of(self, removal: Removal) -> list[str]:
        return [removal.key, *(self._keys_like(removal.pattern) if removal.pattern else ())]

    def _forget_removed(self) -> None:
        for child in self._registry.removed_children():
            while child.records:
                self._fold_slice(child)
            self._drop(child, "removed")
            self._registry.forget_oldest_removed()

    def _drop(self, series: Instrument, reason: str) -> None:
        if series.folded:
            self._self_metrics.settle(0, [(series.key, reason, series.folded)], series.reset)
