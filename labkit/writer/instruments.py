"""Record: counters, gauges and histograms. This is the hot path.

What is appended is a finite float, or an int that a double holds; all else takes a slower path and becomes one first.
The checks are written out in each method, as two comparisons with constants: the interpreter does that fastest.

A metric without labels is recorded to directly; one with labels hands out children, to be looked up once and kept:

>>> events.labels(event="joined").inc()
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from labkit.errors import MetricError
from labkit.writer.amounts import number_of
from labkit.writer.descriptor import Descriptor
from labkit.writer.instrument import AGAIN, NEVER, NEW, NOW, SLICE, Instrument, Mode
from labkit.writer.timer import PER_SECOND, Timer

if TYPE_CHECKING:
    from labkit.writer.registry import Registry

__all__ = ["AGAIN", "KINDS", "NEVER", "NEW", "NOW", "SLICE", "Counter", "Gauge", "Histogram", "Instrument", "Mode"]

# The most common amount. CPython has one object for it, so `is` recognizes it; elsewhere it takes the usual path.
_ONE = 1


class Counter(Instrument):
    """A total that only grows."""

    __slots__ = ("_add",)

    def __init__(
        self, descriptor: Descriptor, registry: "Registry", label_values: tuple[str, ...] = (), key: str = ""
    ) -> None:
        super().__init__(descriptor, registry, label_values, key)
        self._add = 0.0

    def inc(self, amount: float = 1) -> None:
        """Add `amount`, finite and not negative.

        Raises:
            MetricError: the amount is negative, not finite or not a number, or the metric has labels.
        """
        if amount is _ONE or (type(amount) is float and amount >= 0.0 and amount <= 1e308):
            return self._append(amount)
        if type(amount) is int and amount >= 0 and amount <= 2**53:
            return self._append(amount)
        number = number_of(amount, self.descriptor.name, at_least=0)
        return self._append(number)

    def fold(self) -> int:
        chunk = self._chunk()
        add, n = self._add + _total(chunk), len(chunk)
        self._give_up(n)
        self._add = add
        return n

    def operation(self, mode: Mode) -> str | None:
        return f'["counter","{mode}",{self._add!r}]' if math.isfinite(self._add) else None

    def settle(self) -> None:
        self.folded, self._add = 0, 0.0

    def forget(self) -> None:
        self._forget_pending()
        self._add = 0.0


class Gauge(Instrument):
    """A value that goes up and down.

    With several processes, `shared` says what the one series in Prometheus holds: the value set `last`, or the
    `sum`, `min` or `max` of what each living process holds. A process holds nothing before it records, and nothing
    after its service is closed.
    """

    __slots__ = ("_add", "_own", "_set")

    def __init__(
        self, descriptor: Descriptor, registry: "Registry", label_values: tuple[str, ...] = (), key: str = ""
    ) -> None:
        super().__init__(descriptor, registry, label_values, key)
        self._own: float | None = None
        self._set: float | None = None
        self._add = 0.0

    def set(self, value: float) -> None:
        """Set the gauge to `value`, any finite number.

        Raises:
            MetricError: the value is not finite or not a number, or the metric has labels.
        """
        if type(value) is float and value >= -1e308 and value <= 1e308:
            return self._append((value,))
        if type(value) is int and value >= -(2**53) and value <= 2**53:
            return self._append((value,))
        number = number_of(value, self.descriptor.name)
        return self._append((number,))

    def inc(self, amount: float = 1) -> None:
        """Add `amount`, any finite number; the same errors as `set`."""
        if amount is _ONE or (type(amount) is float and amount >= -1e308 and amount <= 1e308):
            return self._append(amount)
        if type(amount) is int and amount >= -(2**53) and amount <= 2**53:
            return self._append(amount)
        number = number_of(amount, self.descriptor.name)
        return self._append(number)

    def dec(self, amount: float = 1) -> None:
        """Subtract `amount`, any finite number; the same errors as `set`."""
        # An unsigned integer would wrap around, so it becomes a number first.
        if type(amount) is not float and type(amount) is not int:
            amount = number_of(amount, self.descriptor.name)
        self.inc(-amount)

    def fold(self) -> int:
        chunk = self._chunk()
        last_set = next((i for i in range(len(chunk) - 1, -1, -1) if type(chunk[i]) is tuple), None)
        value, add, own = self._set, self._add, self._own
        if last_set is not None:
            own = value = float(chunk[last_set][0])
            add = 0.0
        if chunk:
            added = _total(chunk if last_set is None else chunk[last_set + 1 :])
            add, own = add + added, (own or 0.0) + added
        n = len(chunk)
        self._give_up(n)
        self._set, self._add, self._own = value, add, own
        return n

    def operation(self, mode: Mode) -> str | None:
        if self._overflowed():
            return None
        shared, own, value = self.descriptor.shared, self._own, self._set
        if shared != "last":
            operation = f'["shared","{mode}","{shared}"'
            return f"{operation}]" if own is None else f"{operation},{own!r}]"
        operation = f'["gauge","{mode}",{self._add!r},{own or 0.0!r}'
        return f"{operation}]" if value is None else f"{operation},{value!r}]"

    def settle(self) -> None:
        if self._overflowed():
            self._own = None
        self.folded, self._set, self._add = 0, None, 0.0

    def _overflowed(self) -> bool:
        return not (math.isfinite(self._add) and math.isfinite(self._own or 0.0))

    def forget(self) -> None:
        self._forget_pending()
        self._own, self._set, self._add = None, None, 0.0

    def withdraw(self) -> None:
        """From the next flush on, hold nothing in a shared gauge."""
        if self.descriptor.shared != "last" and self._own is not None:
            self._own = None
            self.hurry()


class Histogram(Instrument):
    """How often values fell at or below each bound, with their sum and count."""

    __slots__ = ("_counts", "_sum")

    def __init__(
        self, descriptor: Descriptor, registry: "Registry", label_values: tuple[str, ...] = (), key: str = ""
    ) -> None:
        super().__init__(descriptor, registry, label_values, key)
        # Buckets, counted from 1, that something fell into.
        self._counts: dict[int, int] = {}
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count `value`, in the histogram's unit, any finite number.

        Raises:
            MetricError: the value is not finite or not a number, or the metric has labels.
        """
        if type(value) is float and value >= -1e308 and value <= 1e308:
            return self._append(value)
        if type(value) is int and value >= -(2**53) and value <= 2**53:
            return self._append(value)
        number = number_of(value, self.descriptor.name)
        return self._append(number)

    def time(self) -> "Timer":
        """Time a block, or every call of a function, in the histogram's unit of time (seconds if it has none).

        Raises:
            MetricError: the unit is not one of time.
        """
        unit = self.descriptor.unit
        if unit not in PER_SECOND:
            raise MetricError(f"{self.descriptor.name} has the unit {unit!r}; to time, it must be s, ms, us or ns.")
        return Timer(self.observe, PER_SECOND[unit])

    def fold(self) -> int:
        chunk = self._chunk()
        total, counts, n = self._sum + _total(chunk), self._counts.copy(), len(chunk)
        self._count(chunk, counts)
        self._give_up(n)
        self._sum, self._counts = total, counts
        return n

    def _count(self, chunk: list[float], counts: dict[int, int]) -> None:
        bounds, below = self.descriptor.buckets, 0
        if len(chunk) < len(bounds):
            for value in chunk:
                bucket = bisect_left(bounds, value) + 1
                counts[bucket] = counts.get(bucket, 0) + 1
            return
        # Sorting is done in C, and leaves one search per bound instead of one per value.
        chunk.sort()
        for bucket, bound in enumerate((*bounds, math.inf), 1):
            at_or_below = bisect_right(chunk, bound, below)
            if at_or_below > below:
                counts[bucket] = counts.get(bucket, 0) + at_or_below - below
                below = at_or_below

    def operation(self, mode: Mode) -> str | None:
        if not math.isfinite(self._sum):
            return None
        adds = [number for pair in sorted(self._counts.items()) for number in pair]
        return f'["histogram","{mode}","{self.descriptor.bounds_text}",{adds},{self._sum!r}]'

    def settle(self) -> None:
        self.folded, self._sum, self._counts = 0, 0.0, {}

    def forget(self) -> None:
        self._forget_pending()
        self._counts, self._sum = {}, 0.0


KINDS: Final[Mapping[str, type[Instrument]]] = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}


def _total(chunk: list[float]) -> float:
    try:
        return math.fsum(chunk)
    except OverflowError:
        return math.inf
