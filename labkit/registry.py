"""The metrics of one writer: declared once, found again, and kept within `max_series`."""

import logging
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import TypeVar, cast

from labkit.declaration import OVERFLOW, Declaration
from labkit.errors import MetricError
from labkit.keys import Keys
from labkit.metrics import KINDS, Metric

log = logging.getLogger("labkit")

M = TypeVar("M", bound=Metric)


class Registry:
    """Metrics by name, and every series they hold, in the order of their creation."""

    def __init__(self, keys: Keys, max_series: int) -> None:
        if max_series < 1:
            raise MetricError(f"max_series={max_series} must be at least 1.")
        self._keys = keys
        self._max_series = max_series
        self._lock = Lock()
        self._metrics: dict[str, Metric] = {}
        self._series: dict[str, Metric] = {}
        self.overflows = 0

    def __len__(self) -> int:
        return len(self._series)

    def declare(self, declaration: Declaration, kind: type[M]) -> M:
        """Return the metric of this declaration; declaring it identically again returns the same one.

        Raises:
            MetricError: the name is taken by another declaration; both are shown.
        """
        with self._lock:
            known = self._metrics.get(declaration.name)
            if known is None:
                self._metrics[declaration.name] = metric = kind(declaration, self._admit)
                if metric.is_series:
                    self._series[self._key(metric)] = metric
                return metric
        if known.declaration != declaration:
            raise MetricError(
                f"{declaration.name} is declared twice and differently:\n  {known.declaration}\n  {declaration}"
            )
        return cast(M, known)

    def series(self) -> list[tuple[str, Metric]]:
        """Return every series with its key. A copy: other threads may add to it meanwhile."""
        return list(self._series.items())

    def metadata(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        """Return what `<prefix>.meta` holds of these metrics."""
        return {name: self._metrics[name].declaration.metadata for name in names}

    def after_fork(self) -> None:
        """What the parent recorded is the parent's to send; every series is new to this process."""
        self._lock = Lock()
        for series in self._series.values():
            series.forget()

    def _admit(self, metric: Metric, label_values: tuple[str, ...]) -> Metric:
        with self._lock:
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

    def _new_series(self, metric: Metric, label_values: Sequence[str]) -> Metric:
        candidate = KINDS[metric.declaration.kind](metric.declaration, self._admit, tuple(label_values))
        # Label values that differ only in what a key cannot hold are one series.
        return self._series.setdefault(self._key(candidate), candidate)

    def _key(self, series: Metric) -> str:
        declared = series.declaration
        labels = zip(declared.labels, series.label_values, strict=True)
        return self._keys.series(declared.kind, declared.name, labels)
