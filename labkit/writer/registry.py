"""The metrics of one writer: declared once, found again, and kept within `max_series`."""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import RLock
from typing import TypeVar, cast

from labkit.errors import MetricError
from labkit.keys import Keys
from labkit.writer.declaration import OVERFLOW, Declaration
from labkit.writer.metrics import KINDS, NEVER, NEW, Metric

log = logging.getLogger("labkit")

M = TypeVar("M", bound=Metric)


@dataclass(frozen=True)
class Removal:
    """Series to remove: this key, and every key that matches the pattern, if there is one."""

    key: str
    pattern: str = ""


class Registry:
    """Metrics by name, and every series they hold, in the order of their creation."""

    def __init__(self, keys: Keys, max_series: int) -> None:
        if max_series < 1:
            raise MetricError(f"max_series={max_series} must be at least 1.")
        self._keys = keys
        self._max_series = max_series
        # A signal handler may record while the thread that it interrupts is in here.
        self.lock = RLock()
        self._metrics: dict[str, Metric] = {}
        self._series: dict[str, Metric] = {}
        # What was removed and not sent yet, and the children that went with it.
        self._removals: deque[Removal] = deque()
        self._departed: deque[Metric] = deque()
        # The metrics whose metadata was sent.
        self._announced: set[str] = set()
        self._too_late: Callable[[object], None] | None = None
        self.overflows = 0

    def __len__(self) -> int:
        return len(self._series)

    def declare(self, declaration: Declaration, kind: type[M]) -> M:
        """Return the metric of this declaration; declaring it identically again returns the same one.

        Raises:
            MetricError: the name is taken by another declaration; both are shown.
        """
        with self.lock:
            known = self._metrics.get(declaration.name)
            if known is None:
                known = self._metrics[declaration.name] = kind(declaration, self, key=self._key(declaration, ()))
                if known.is_series:
                    self._series[known.key] = known
        if known.declaration != declaration:
            raise MetricError(
                f"{declaration.name} is already declared differently:\n  {known.declaration}\n  {declaration}"
            )
        return cast(M, known)

    def series(self) -> list[Metric]:
        """Return every series. A copy: other threads may add to it meanwhile."""
        return list(self._series.values())

    def snapshot(self) -> tuple[list[Removal], list[Metric], list[Metric]]:
        """Return what is to be removed, the children that went with it, and all series left; the first two once."""
        with self.lock:
            removals, departed = list(self._removals), list(self._departed)
            self._removals.clear()
            self._departed.clear()
            return removals, departed, self.series()

    def announce(self, names: set[str]) -> dict[str, dict[str, str]]:
        """Return what `<prefix>.meta` is to hold for those of these metrics that were not announced before."""
        unannounced = names - self._announced
        self._announced |= unannounced
        return {name: self._metrics[name].declaration.metadata for name in unannounced}

    def write_all_again(self) -> None:
        """The server has lost series: all are due now, with the metadata of their metrics."""
        self._announced.clear()
        for series in self.series():
            if series.due_at != NEVER:
                series.due_at = NEW

    def let_rest(self, key: str) -> None:
        """Somebody removed this series: it is not due until something is recorded to it."""
        if key in self._series:
            self._series[key].due_at = NEVER

    def close(self, too_late: Callable[[object], None]) -> None:
        """From now on, what is recorded goes to `too_late` instead."""
        with self.lock:
            self._too_late = too_late
            for series in self.series():
                series.shut(too_late)

    def after_fork(self) -> None:
        """What the parent recorded is the parent's to send; every series is new to this process."""
        self.lock = RLock()
        self._removals.clear()
        self._departed.clear()
        self._announced.clear()
        self.overflows = 0
        for series in self._series.values():
            series.forget()

    def admit(self, metric: Metric, label_values: tuple[str, ...]) -> Metric:
        """Return a new series of `metric`; beyond `max_series`, the one that counts the rest."""
        if len(self._series) < self._max_series:
            return self._new_series(metric, label_values)
        if not self.overflows:
            log.warning(
                "%s: more than max_series=%d label sets; new ones are counted together as %s. "
                "A label with unbounded values (a user, a raw path) is the usual cause.",
                metric.declaration.name,
                self._max_series,
                OVERFLOW,
            )
        self.overflows += 1
        return self._new_series(metric, (OVERFLOW,) * len(metric.declaration.labels))

    def dismiss(self, metric: Metric, label_values: tuple[str, ...]) -> None:
        """Remove one series of `metric` from Redis, and from this process if it is here."""
        with self.lock:
            key = self._key(metric.declaration, label_values)
            self._depart(metric, key)
            self._removals.append(Removal(key))

    def dismiss_all(self, metric: Metric) -> None:
        """Remove every series of `metric` from Redis, including those that are not in this process."""
        declared = metric.declaration
        with self.lock:
            for series in self.series():
                if series.declaration is declared:
                    self._depart(metric, series.key)
            # A child whose label values are all empty has the metric's own key.
            key = self._key(declared, ())
            self._removals.append(Removal(key, self._keys.of_metric(declared.kind, declared.name)))

    def _depart(self, metric: Metric, key: str) -> None:
        series = self._series.pop(key, None)
        if series is not None:
            metric.leave(series)
            self._departed.append(series)

    def _new_series(self, metric: Metric, label_values: Sequence[str]) -> Metric:
        declared, values = metric.declaration, tuple(label_values)
        key = self._key(declared, values)
        # Label values that differ only in what a key cannot hold are one series.
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = KINDS[declared.kind](declared, self, values, key)
        if self._too_late:
            series.shut(self._too_late)
        return series

    def _key(self, declared: Declaration, label_values: Sequence[str]) -> str:
        return self._keys.series(declared.kind, declared.name, zip(declared.labels, label_values, strict=False))
