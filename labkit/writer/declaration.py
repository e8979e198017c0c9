"""Record: what a metric is, apart from what it has counted."""

import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from labkit.digits import shortest
from labkit.errors import MetricError

Shared = Literal["last", "sum", "min", "max"]

# Powers of ten times 1, 2.5 and 5: milliseconds from a cache hit to a timeout.
DEFAULT_BUCKETS = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)
# The label values of the series that counts what has no room for a series of its own.
OVERFLOW = "__overflow__"

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_RESERVED = ("le", "quantile")


@dataclass(frozen=True)
class Declaration:
    """What a metric is: everything that must match when it is declared again."""

    kind: str
    name: str
    help: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    buckets: tuple[float, ...] = ()
    shared: Shared = "last"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise MetricError(f"{self.name!r} is not a valid metric name; use letters, digits and '_', no digit first.")
        for label in self.labels:
            if not _NAME.fullmatch(label) or label.startswith("__") or label in _RESERVED:
                raise MetricError(f"{self.name}: {label!r} is not a valid label name, or is reserved by Prometheus.")
        if len(set(self.labels)) < len(self.labels):
            raise MetricError(f"{self.name}: a label is named twice in {self.labels}.")
        if self.shared not in ("last", "sum", "min", "max"):
            raise MetricError(f"{self.name}: shared={self.shared!r} must be 'last', 'sum', 'min' or 'max'.")
        if any(not math.isfinite(b) for b in self.buckets) or list(self.buckets) != sorted(set(self.buckets)):
            raise MetricError(f"{self.name}: buckets {self.buckets} must be finite and ascending; +Inf is implied.")

    @cached_property
    def bounds_text(self) -> str:
        return ",".join(map(shortest, self.buckets))

    @property
    def metadata(self) -> dict[str, str]:
        return {"type": self.kind, "help": self.help, "unit": self.unit}
