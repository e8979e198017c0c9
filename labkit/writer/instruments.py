"""Record: counters, gauges and histograms. This is the hot path.

What is appended is a finite float, or an int that a double holds; all else takes a slower path and becomes one first.
The checks are written out in each method, as two comparisons with constants: the interpreter does that fastest.

A metric without labels is recorded to directly; one with labels hands out children, to be looked up once and kept:

>>> events.labels(event="joined").inc()
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from typing import Any, ClassVar, Final, cast

from labkit.errors import MetricError
from labkit.writer.amounts import number_of
from labkit.writer.instrument import Instrument, Mode
from labkit.writer.timer import PER_SECOND, Timer

# The most common amount. CPython has one object for it, so `is` recognizes it; elsewhere it takes the usual path.
_ONE = 1


class Counter(Instrument):
    """A total that only grows."""

    __slots__ = ()
    ZERO = 0.0

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

    def _add_up(self, chunk: list[float]) -> float:
        return cast(float, self._aggregate) + _total(chunk)

    def _operation(self, mode: Mode) -> str | None:
        return f'["counter","{mode}",{self._aggregate!r}]' if math.isfinite(self._aggregate) else None


class Gauge(Instrument):
    """A value that goes up and down.

    With several processes, `shared` says what the one series in Prometheus holds: the value set `last`, or the
    `sum`, `min` or `max` of what each living process holds. A process holds nothing before it records, and nothing
    after its service is closed.
    """

    __slots__ = ()
    # What it was set to since the last batch, what was added after that, and the value it has in this process.
    ZERO: ClassVar[tuple[float | None, float, float | None]] = (None, 0.0, None)

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

    def _add_up(self, chunk: list[Any]) -> tuple[float | None, float, float | None]:
        value, add, own = self._aggregate
        last_set = next((i for i in range(len(chunk) - 1, -1, -1) if type(chunk[i]) is tuple), None)
        if last_set is not None:
            own = value = float(chunk[last_set][0])
            add = 0.0
        added = _total(chunk if last_set is None else chunk[last_set + 1 :])
        return value, add + added, (own or 0.0) + added

    def _operation(self, mode: Mode) -> str | None:
        if self._overflowed():
            return None
        shared, (value, add, own) = self.descriptor.shared, self._aggregate
        if shared != "last":
            operation = f'["shared","{mode}","{shared}"'
            return f"{operation}]" if own is None else f"{operation},{own!r}]"
        operation = f'["gauge","{mode}",{add!r},{own or 0.0!r}'
        return f"{operation}]" if value is None else f"{operation},{value!r}]"

    def reset(self) -> None:
        own = None if self._overflowed() else self._aggregate[2]
        self._aggregate, self.folded = (None, 0.0, own), 0

    def _overflowed(self) -> bool:
        _, add, own = self._aggregate
        return not (math.isfinite(add) and math.isfinite(own or 0.0))

    def withdraw(self) -> None:
        """From the next flush on, hold nothing in a shared gauge."""
        value, add, own = self._aggregate
        if self.descriptor.shared != "last" and own is not None:
            self._aggregate = (value, add, None)
            self.make_due()


class Histogram(Instrument):
    """How often values fell at or below each bound, with their sum and count."""

    __slots__ = ()
    # Their sum, and how many fell into each bucket, counted from 1, into which any did.
    ZERO: ClassVar[tuple[float, dict[int, int]]] = (0.0, {})

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

    def time(self) -> Timer:
        """Time a block, or every call of a function, in the histogram's unit of time (seconds if it has none).

        Raises:
            MetricError: the unit is not one of time.
        """
        unit = self.descriptor.unit
        if unit not in PER_SECOND:
            raise MetricError(f"{self.descriptor.name} has the unit {unit!r}; to time, it must be s, ms, us or ns.")
        return Timer(self.observe, PER_SECOND[unit])

    def _add_up(self, chunk: list[float]) -> tuple[float, dict[int, int]]:
        total, counts = self._aggregate[0] + _total(chunk), self._aggregate[1].copy()
        self._count(chunk, counts)
        return total, counts

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

    def _operation(self, mode: Mode) -> str | None:
        total, counts = self._aggregate
        if not math.isfinite(total):
            return None
        adds = [number for pair in sorted(counts.items()) for number in pair]
        return f'["histogram","{mode}","{self.descriptor.bounds_text}",{adds},{total!r}]'


KINDS: Final[Mapping[str, type[Instrument]]] = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}


def _total(chunk: list[float]) -> float:
    try:
        return math.fsum(chunk)
    except OverflowError:
        return math.inf
