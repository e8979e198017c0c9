"""The metrics of one writer: declared once, found again, and kept within `max_series`."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import RLock
from time import sleep
from typing import TypeVar, cast

from labkit.errors import MetricError
from labkit.keyspace.keys import Keys
from labkit.writer.descriptor import OVERFLOW, Descriptor
from labkit.writer.instrument import Instrument
from labkit.writer.instruments import KINDS

log = logging.getLogger("labkit")

# Other threads wait for a new label set while so many children are removed: a fraction of a millisecond.
REMOVED_AT_ONCE = 256

M = TypeVar("M", bound=Instrument)


@dataclass(frozen=True, slots=True)
class Removal:
    """Series to remove: this key, and every key that matches the pattern, if there is one.

    `shared` tells whether they are of a gauge that is shared by `sum`, `min` or `max`.
    """

    key: str
    pattern: str = ""
    shared: bool = False


class Registry:
    """Metrics by name, and every series they hold, in the order of their creation.

    The lock is for the threads of the application, and while it is held nobody else's code runs. The flush thread takes
    none: it would wait for a thread that was interrupted by the very signal handler that waits for the flush. All that
    it does to what others change is one operation of a list, dict or deque, which the interpreter makes atomic.
    """

    def __init__(self, keys: Keys, max_series: int) -> None:
        if max_series < 1:
            raise MetricError(f"max_series={max_series} must be at least 1.")
        self._keys = keys
        self._max_series = max_series
        # A signal handler may record while the thread that it interrupts is in here.
        self._lock = RLock()
        self._metrics: dict[str, Instrument] = {}
        # Which metric has a name on the page: a histogram has several.
        self._claims: dict[str, Descriptor] = {}
        self._series: dict[str, Instrument] = {}
        # What was removed and not sent yet, each key once however often it was removed, and the children that went.
        self._removals: dict[Removal, None] = {}
        self._removed_children: deque[Instrument] = deque()
        # The metrics whose metadata was sent.
        self._announced: set[str] = set()
        self._too_late: Callable[[object], None] | None = None
        # Called before a series is made: the moment to see that this is another process. See `Writer`.
        self.before_new_series: Callable[[], object] = lambda: None
        self.overflows = 0

    def __len__(self) -> int:
        return len(self._series)

    def declare(self, descriptor: Descriptor, kind: type[M]) -> M:
        """Return the metric of this descriptor; declaring it identically again returns the same one.

        Raises:
            MetricError: another descriptor has the name, or another that this one needs on the page; both are shown.
        """
        with self._lock:
            other = next((self._claims[name] for name in descriptor.names if name in self._claims), descriptor)
            if descriptor.name not in self._metrics and other is descriptor:
                self._add(kind(descriptor, self, key=self._key(descriptor, ())))
        if other != descriptor:
            same = other.name == descriptor.name
            why = "is already declared differently" if same else f"and {other.name} need one name on the page"
            raise MetricError(f"{descriptor.name} {why}:\n  {other}\n  {descriptor}")
        return cast(M, self._metrics[descriptor.name])

    def _add(self, metric: Instrument) -> None:
        # A signal handler may declare the same at any point in here: the first one counts.
        declared = metric.descriptor
        if self._metrics.setdefault(declared.name, metric) is metric:
            self._claims.update(dict.fromkeys(declared.names, declared))
            if metric.is_series:
                self._series[metric.key] = metric

    def series(self) -> list[Instrument]:
        """Return every series. A copy: other threads may add to it meanwhile."""
        return list(self._series.values())

    def snapshot(self) -> tuple[list[Removal], list[Instrument], list[Instrument]]:
        """Return what is to be removed, the children that went with it, and all series left; the first once.

        Flush thread only.
        """
        # In this order: what is created after a removal must not be sent before it, nor what it removed after it.
        series = self.series()
        removals = [self._removals.popitem()[0] for _ in range(len(self._removals))]
        detached = self.removed_children()
        gone = set(detached)
        return removals, detached, [one for one in series if one not in gone] if gone else series

    def removed_children(self) -> list[Instrument]:
        """Return the children that were removed and not forgotten yet, oldest first. Flush thread only."""
        return list(self._removed_children)

    def forget_oldest_removed(self) -> None:
        """The oldest of those that were removed is in the accounts. Flush thread only."""
        self._removed_children.popleft()

    def unannounced(self, names: set[str]) -> dict[str, dict[str, str]]:
        """Return what `<prefix>.meta` is to hold for those of these metrics that were not announced yet."""
        return {name: self._metrics[name].descriptor.metadata for name in names - self._announced}

    def announced(self, names: set[str]) -> None:
        """The metadata of these metrics is in a batch."""
        self._announced |= names

    def write_all_again(self) -> None:
        """The server has lost series: all are due now, with the metadata of their metrics. Flush thread only."""
        self._announced.clear()
        for series in self.series():
            series.write_again()

    def find(self, keys: Iterable[str]) -> list[Instrument]:
        """Return those series with these keys that there are."""
        return [series for key in keys if (series := self._series.get(key))]

    def close(self, too_late: Callable[[object], None]) -> None:
        """From now on, what is recorded goes to `too_late` instead."""
        # In this order: a series that is made meanwhile is in the list, or sees that it is too late.
        self._too_late = too_late
        for series in self.series():
            series.redirect(too_late)

    def after_fork(self) -> None:
        """What the parent recorded is the parent's to send; this process writes every series again."""
        self._lock = RLock()
        self._removals.clear()
        self._removed_children.clear()
        self._announced.clear()
        self.overflows = 0
        for series in self.series():
            series.forget()

    def find_or_make(self, metric: M, label_values: tuple[str, ...], given: tuple[object, ...] | None) -> M:
        """Return the series of `metric` with these values; beyond `max_series`, the one that counts the rest.

        From now on the metric finds it by what was `given` to its `labels`, if that is not None.
        """
        self.before_new_series()
        with self._lock:
            overflows = self.overflows
            series = self._find_or_make(metric, label_values)
            metric.add_child(series, given if series.label_values == label_values else None)
            first = self.overflows > overflows == 0
        # Not under the lock: a log handler may record, or wait for a thread that does.
        if first:
            log.warning(
                "%s: more than max_series=%d label sets; new ones are counted together as %s. "
                "A label with unbounded values (a user, a raw path) is the usual cause.",
                metric.descriptor.name,
                self._max_series,
                OVERFLOW,
            )
        return series

    def remove(self, metric: M, label_values: tuple[str, ...]) -> None:
        """Remove one series of `metric` from Redis, and from this process if it is here."""
        key = self._key(metric.descriptor, label_values)
        with self._lock:
            self._detach(metric, self._series.get(key))
            self._remove(metric, key)

    def remove_all(self, metric: M) -> None:
        """Remove every series of `metric` from Redis, including those that are not in this process."""
        declared, children = metric.descriptor, metric.children()
        for start in range(0, len(children), REMOVED_AT_ONCE):
            with self._lock:
                for child in children[start : start + REMOVED_AT_ONCE]:
                    self._detach(metric, child)
            sleep(0)
        # A child whose label values are all empty has the metric's own key.
        self._remove(metric, self._key(declared, ()), self._keys.of_metric(declared.kind, declared.name))

    def _detach(self, metric: M, series: Instrument | None) -> None:
        if series is not None and self._series.get(series.key) is series:
            del self._series[series.key]
            metric.detach(cast(M, series))
            self._removed_children.append(series)

    def _remove(self, metric: Instrument, key: str, pattern: str = "") -> None:
        self._removals[Removal(key, pattern, metric.descriptor.shared != "last")] = None

    def _find_or_make(self, metric: M, label_values: tuple[str, ...]) -> M:
        # Label values that differ only in what a key cannot hold are one series.
        key = self._key(metric.descriptor, label_values)
        series = self._series.get(key)
        if series is None:
            rest = (OVERFLOW,) * len(label_values)
            if len(self._series) >= self._max_series and label_values != rest:
                self.overflows += 1
                return self._find_or_make(metric, rest)
            # The first one counts: a signal handler may have made the same series since.
            made = KINDS[metric.descriptor.kind](metric.descriptor, self, label_values, key)
            series = self._series.setdefault(key, made)
        if self._too_late:
            series.redirect(self._too_late)
        return cast(M, series)

    def _key(self, declared: Descriptor, label_values: Sequence[str]) -> str:
        return self._keys.series(declared.kind, declared.name, zip(declared.labels, label_values, strict=False))
