"""Record: what a metric is, apart from what it has counted."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from reprlib import repr as shortened
from typing import Literal

from labkit.errors import MetricError
from labkit.keyspace.numbers import shortest

Shared = Literal["last", "sum", "min", "max"]

# The label values of the series that counts what has no room for a series of its own.
OVERFLOW = "__overflow__"
# What a histogram is on the page, beside its name.
PARTS = ("_bucket", "_sum", "_count", "_p50", "_p95", "_p99")

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_RESERVED_LABELS = ("le", "quantile")
# Names that the sidecar and Prometheus put beside those of an application: they would hide its metric.
_RESERVED = re.compile(
    r"labkit_sidecar_.*|labkit_build_info|redis_up|up|scrape_duration_seconds|scrape_samples_scraped|"
    r"scrape_samples_post_metric_relabeling|scrape_series_added"
)
# Any longer, and no page would be readable; much longer, and no server would take it.
_LONGEST_TEXT = 10_000


@dataclass(frozen=True)
class Descriptor:
    """What a metric is: everything that must match when it is declared again.

    Raises:
        MetricError: something in it could never be sent, or would not be shown.
    """

    kind: str
    name: str
    help: str
    labels: Sequence[str] = ()
    unit: str = ""
    buckets: tuple[float, ...] = ()
    shared: Shared = "last"

    def __post_init__(self) -> None:
        self._make_plain()
        self._check_names()
        if not self.unit.isprintable():
            raise MetricError(f"{self.name}: the unit {self.unit!r} must be printable.")
        if self.shared not in ("last", "sum", "min", "max"):
            raise MetricError(f"{self.name}: shared={self.shared!r} must be 'last', 'sum', 'min' or 'max'.")
        if any(not math.isfinite(b) for b in self.buckets) or list(self.buckets) != sorted(set(self.buckets)):
            raise MetricError(f"{self.name}: buckets {self.buckets} must be finite and ascending; +Inf is implied.")

    def _make_plain(self) -> None:
        for what in ("name", "help", "unit"):
            object.__setattr__(self, what, _plain(getattr(self, what), what))
        if isinstance(self.labels, str | bytes) or not isinstance(self.labels, Iterable):
            raise MetricError(f"{self.name}: labels={shortened(self.labels)} must be a list of names.")
        object.__setattr__(self, "labels", tuple(_plain(label, f"label of {self.name}") for label in self.labels))

    def _check_names(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise MetricError(f"{self.name!r} is not a valid metric name; use letters, digits and '_', no digit first.")
        if taken := next(filter(_RESERVED.fullmatch, self.names), ""):
            raise MetricError(f"{self.name}: {taken} belongs to the sidecar or to Prometheus; choose another name.")
        for label in self.labels:
            if not _NAME.fullmatch(label) or label.startswith("__") or label in _RESERVED_LABELS:
                raise MetricError(f"{self.name}: {label!r} is not a valid label name, or is reserved by Prometheus.")
        if len(set(self.labels)) < len(self.labels):
            raise MetricError(f"{self.name}: a label is named twice in {self.labels}.")

    @property
    def names(self) -> list[str]:
        """The names that it needs for itself on the page."""
        parts = PARTS if self.kind == "histogram" else ()
        return [self.name, *(self.name + part for part in parts)]

    @cached_property
    def bounds_text(self) -> str:
        return ",".join(map(shortest, self.buckets))

    @property
    def metadata(self) -> dict[str, str]:
        return {"type": self.kind, "help": self.help, "unit": self.unit}


def _plain(value: object, what: str) -> str:
    """Return a text as a `str` that UTF-8 can spell: a subclass may be anything when it is sent, long after this."""
    if not isinstance(value, str):
        raise MetricError(f"{what}={shortened(value)} is not text but {type(value).__name__}; pass str(…) of it.")
    text = str.__str__(value)
    if len(text) > _LONGEST_TEXT:
        raise MetricError(f"{what}={shortened(text)} has more than {_LONGEST_TEXT:,} characters.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise MetricError(f"{what}={shortened(text)} has half of a surrogate pair, which UTF-8 cannot spell.") from None
    return text
