"""Record: counters, gauges and histograms. This is the hot path.

Recording appends to a plain list, which the interpreter makes atomic: no lock, no I/O, and never an exception
because Redis is away. The flush thread folds the list (`fold`), writes what it found as an operation (`operation`), and
starts again from zero (`settle`) once that is safe in a batch: whatever fails on the way, no record is lost.
What is appended is a finite float, or an int that a double holds; all else takes a slower path and becomes one first.
The checks are written out in each method, as two comparisons with constants: the interpreter does that fastest.

A metric without labels is recorded to directly; one with labels hands out children, to be looked up once and kept:

>>> events.labels(event="joined").inc()
"""

import math
from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final, Literal, NoReturn, Protocol, Self, cast

from labkit.errors import MetricError
from labkit.writer.amounts import number_of
from labkit.writer.declaration import Declaration
from labkit.writer.timer import PER_SECOND, Timer

# Why a series is written, which decides what the server expects, and whether a removed series comes back:
# it is new to this writer, something was recorded, all is written again, or only its time to live is renewed.
Mode = Literal["new", "record", "again", "refresh"]
# When a series is due, if not at a time on the flush thread's clock, which is always above 0.
NEW, AGAIN, NOW, NEVER = -math.inf, -1.0, 0.0, math.inf
# Records folded at a time: about a millisecond of work.
SLICE = 4096

# The most common amount. CPython has one object for it, so `is` recognizes it; elsewhere it takes the usual path.
_ONE = 1


class Owner(Protocol):
    """Decides which series there are: the registry."""

    def admit(self, metric: "Metric", label_values: tuple[str, ...], given: tuple[object, ...] | None) -> "Metric":
        """Return the child with these values, or if there is no room, the one that counts the rest.

        From now on it is found by what was `given` to `labels`, if that is not None.
        """

    def dismiss(self, metric: "Metric", label_values: tuple[str, ...]) -> None:
        """Remove one child of `metric` from Redis."""

    def dismiss_all(self, metric: "Metric") -> None:
        """Remove every child of `metric` from Redis, whoever wrote it."""


class Metric(ABC):
    """A metric, or one of its children. Only a child, or a metric without labels, holds a series."""

    __slots__ = (
        "_append",
        "_by_labels",
        "_children",
        "_known_by",
        "_owner",
        "declaration",
        "due_at",
        "folded",
        "key",
        "label_values",
        "records",
    )

    def __init__(
        self, declaration: Declaration, owner: Owner, label_values: tuple[str, ...] = (), key: str = ""
    ) -> None:
        self.declaration = declaration
        self.label_values = label_values
        self.key = key
        # How many records were folded and not settled yet, and when the series is due even if none was (on the flush
        # thread's clock): at once if it is new, never if it was removed. A tick checks both for every series.
        self.folded = 0
        self.due_at = NEW
        self._owner = owner
        self._children: dict[tuple[str, ...], Self] = {}
        self._by_labels: dict[tuple[object, ...], Self] = {}
        # Where a child is in its metric's `_by_labels`, so that it need not be searched for when it leaves.
        self._known_by: tuple[tuple[object, ...], ...] = ()
        # What was recorded and not folded yet.
        self.records: list[Any] = []
        self._append: Callable[[Any], None] = self.records.append if self.is_series else self._refuse

    def __reduce__(self) -> NoReturn:
        name = self.declaration.name
        raise MetricError(f"{name} cannot be pickled or copied: make a service per process, and declare it there.")

    @property
    def is_series(self) -> bool:
        return len(self.label_values) == len(self.declaration.labels)

    def labels(self, *values: object, **labels: object) -> Self:
        """Return the child with these label values, given by position or by name. Look it up once and keep it.

        Values are converted to text. The child is visible at zero from now on.

        Raises:
            MetricError: labels are missing, unknown or given twice.
        """
        try:
            return self._by_labels[tuple(labels.items()) if labels else values]
        except (KeyError, TypeError):
            return self._look_up(values, labels)

    def _look_up(self, values: tuple[object, ...], labels: Mapping[str, object]) -> Self:
        key = self._label_values(values, labels)
        # 1, 1.0 and True are one key of a dict but three label values: only plain text may take the short cut.
        plain = all(type(text) is str for text in (*values, *labels, *labels.values()))
        if not plain and key in self._children:
            return self._children[key]
        given = (tuple(labels.items()) if labels else values) if plain else None
        return cast(Self, self._owner.admit(self, key, given))

    def _label_values(self, values: tuple[object, ...], labels: Mapping[str, object]) -> tuple[str, ...]:
        names = self.declaration.labels
        if self.label_values or not names:
            raise MetricError(f"{self.declaration.name} has no (more) labels: record to it directly.")
        if (values and labels) or (set(labels) != set(names) if labels else len(values) != len(names)):
            given = ", ".join(labels) or f"{len(values)} values"
            raise MetricError(f"{self.declaration.name} has the labels ({', '.join(names)}), but was given {given}.")
        # What `str` returns may be of a class of its own, with methods that would run where the registry is locked.
        return tuple(str.__str__(str(value)) for value in ([labels[name] for name in names] if labels else values))

    def remove(self, *values: object, **labels: object) -> None:
        """Remove the child with these label values from Redis, whichever processes wrote it.

        It comes back when one of them records to it again: a counter or a histogram from zero, a gauge with what that
        process knows. Does nothing if there is no such child.

        Raises:
            MetricError: as for `labels`.
        """
        self._owner.dismiss(self, self._label_values(values, labels))

    def clear(self) -> None:
        """Remove every child from Redis, whichever processes wrote it; see `remove`.

        What other threads record meanwhile may be removed, too.

        Raises:
            MetricError: the metric has no labels.
        """
        self._label_values(("",) * len(self.declaration.labels), {})
        self._owner.dismiss_all(self)

    def children(self) -> list[Self]:
        """Return every child. A copy: other threads may add to it meanwhile."""
        return list(self._children.values())

    def adopt(self, child: Self, given: tuple[object, ...] | None) -> None:
        """Find this child by its label values from now on, and by what was `given` to `labels`."""
        self._children[child.label_values] = child
        if given is not None:
            self._by_labels[given] = child
            child._known_by += (given,)

    def leave(self, child: Self) -> None:
        """Let go of a child. What is still recorded to it goes to the one that takes its place."""
        self._children.pop(child.label_values, None)
        for given in child._known_by:
            self._by_labels.pop(given, None)
        # Refers to the values only: a child that referred to itself would wait for the garbage collector.
        child._append = partial(self._pass_on, child.label_values)

    def _pass_on(self, label_values: tuple[str, ...], record: object) -> None:
        self.labels(*label_values)._append(record)

    def shut(self, instead: Callable[[object], None]) -> None:
        """From now on, pass what is recorded to `instead`."""
        self._append = instead

    def hurry(self) -> None:
        """Be due now, unless somebody removed this series: only a new record brings it back."""
        if self.due_at != NEVER:
            self.due_at = min(self.due_at, NOW)

    def write_again(self) -> None:
        """Be due now, as a server may have lost this series; but not if somebody removed it, see `hurry`."""
        if self.due_at not in (NEVER, NEW):
            self.due_at = AGAIN

    def _refuse(self, _: object) -> None:
        name, names = self.declaration.name, self.declaration.labels
        example = ", ".join(f"{label}=…" for label in names)
        raise MetricError(f"{name} has labels: record to a child, {name}.labels({example}).")

    @property
    def mode(self) -> Mode:
        """Why this series is to be written now."""
        if self.due_at == NEW:
            return "new"
        if self.folded:
            return "record"
        return "again" if self.due_at == AGAIN else "refresh"

    def _chunk(self) -> list[Any]:
        # A slice is small, because the application waits for the interpreter while it is folded.
        return self.records[:SLICE]

    def _give_up(self, n: int) -> None:
        # Called when all is computed, so that a MemoryError leaves the records where they are. Other threads only ever
        # append, so what is beyond n stays for the next time.
        folded = self.folded + n
        del self.records[:n]
        self.folded = folded

    def _forget_pending(self) -> None:
        self.records.clear()
        self.folded = 0
        self.write_again()

    @abstractmethod
    def fold(self) -> int:
        """Add what was recorded, at most `SLICE` of it, to what waits to be sent; return how much.

        Flush thread only.
        """

    @abstractmethod
    def operation(self, mode: Mode) -> str | None:
        """Return the operation (see lua/flush.lua) that brings Redis up to date, and change nothing.

        None if what was recorded adds up to more than a double can hold. Flush thread only.
        """

    @abstractmethod
    def settle(self) -> None:
        """What was folded is in a batch, or was dropped: start again from zero. Cannot fail. Flush thread only."""

    @abstractmethod
    def forget(self) -> None:
        """Drop all that was recorded and not settled: after a fork it belongs to the parent."""


class Counter(Metric):
    """A total that only grows."""

    __slots__ = ("_add",)

    def __init__(
        self, declaration: Declaration, owner: Owner, label_values: tuple[str, ...] = (), key: str = ""
    ) -> None:
        super().__init__(declaration, owner, label_values, key)
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
        number = number_of(amount, self.declaration.name, at_least=0)
        return self._append(number)

    def fold(self) -> int:
        chunk = self._chunk()
        add = self._add + _total(chunk)
        self._give_up(len(chunk))
        self._add = add
        return len(chunk)

    def operation(self, mode: Mode) -> str | None:
        return f'["counter","{mode}",{self._add!r}]' if math.isfinite(self._add) else None

    def settle(self) -> None:
        self.folded, self._add = 0, 0.0

    def forget(self) -> None:
        self._forget_pending()
        self._add = 0.0


class Gauge(Metric):
    """A value that goes up and down.

    With several processes, `shared` says what the one series in Prometheus holds: the value set `last`, or the
    `sum`, `min` or `max` of what each living process holds. A process holds nothing before it records, and nothing
    after its service is closed.
    """

    __slots__ = ("_add", "_own", "_set")

    def __init__(
        self, declaration: Declaration, owner: Owner, label_values: tuple[str, ...] = (), key: str = ""
    ) -> None:
        super().__init__(declaration, owner, label_values, key)
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
        number = number_of(value, self.declaration.name)
        return self._append((number,))

    def inc(self, amount: float = 1) -> None:
        """Add `amount`, any finite number; the same errors as `set`."""
        if amount is _ONE or (type(amount) is float and amount >= -1e308 and amount <= 1e308):
            return self._append(amount)
        if type(amount) is int and amount >= -(2**53) and amount <= 2**53:
            return self._append(amount)
        number = number_of(amount, self.declaration.name)
        return self._append(number)

    def dec(self, amount: float = 1) -> None:
        """Subtract `amount`, any finite number; the same errors as `set`."""
        # An unsigned integer would wrap around, so it becomes a number first.
        if type(amount) is not float and type(amount) is not int:
            amount = number_of(amount, self.declaration.name)
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
        self._give_up(len(chunk))
        self._set, self._add, self._own = value, add, own
        return len(chunk)

    def operation(self, mode: Mode) -> str | None:
        if self._overflowed():
            return None
        shared, own, value = self.declaration.shared, self._own, self._set
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
        if self.declaration.shared != "last" and self._own is not None:
            self._own = None
            self.hurry()


class Histogram(Metric):
    """How often values fell at or below each bound, with their sum and count."""

    __slots__ = ("_counts", "_sum")

    def __init__(
        self, declaration: Declaration, owner: Owner, label_values: tuple[str, ...] = (), key: str = ""
    ) -> None:
        super().__init__(declaration, owner, label_values, key)
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
        number = number_of(value, self.declaration.name)
        return self._append(number)

    def time(self) -> "Timer":
        """Time a block, or every call of a function, in the histogram's unit of time (seconds if it has none).

        Raises:
            MetricError: the unit is not one of time.
        """
        unit = self.declaration.unit
        if unit not in PER_SECOND:
            raise MetricError(f"{self.declaration.name} has the unit {unit!r}; to time, it must be s, ms, us or ns.")
        return Timer(self.observe, PER_SECOND[unit])

    def fold(self) -> int:
        chunk = self._chunk()
        total, counts = self._sum + _total(chunk), self._counts.copy()
        for bucket, count in self._count(chunk):
            counts[bucket] = counts.get(bucket, 0) + count
        self._give_up(len(chunk))
        self._sum, self._counts = total, counts
        return len(chunk)

    def _count(self, chunk: list[float]) -> Iterator[tuple[int, int]]:
        bounds, below = self.declaration.buckets, 0
        if len(chunk) < len(bounds):
            yield from ((bisect_left(bounds, value) + 1, 1) for value in chunk)
            return
        # Sorting is done in C, and leaves one search per bound instead of one per value.
        chunk.sort()
        for bucket, bound in enumerate(bounds, 1):
            at_or_below = bisect_right(chunk, bound, below)
            if at_or_below > below:
                yield bucket, at_or_below - below
                below = at_or_below
        if below < len(chunk):
            yield len(bounds) + 1, len(chunk) - below

    def operation(self, mode: Mode) -> str | None:
        if not math.isfinite(self._sum):
            return None
        adds = [number for pair in sorted(self._counts.items()) for number in pair]
        return f'["histogram","{mode}","{self.declaration.bounds_text}",{adds},{self._sum!r}]'

    def settle(self) -> None:
        self.folded, self._sum = 0, 0.0
        self._counts.clear()

    def forget(self) -> None:
        self._forget_pending()
        self._counts, self._sum = {}, 0.0


KINDS: Final[Mapping[str, type[Metric]]] = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}


def _total(chunk: list[float]) -> float:
    try:
        return math.fsum(chunk)
    except OverflowError:
        return math.inf
