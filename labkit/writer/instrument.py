"""Record: what counters, gauges and histograms have in common: children by label values, and records that wait.

A record waits in a plain list, to which appending is atomic: no lock, no I/O, and never an exception because Redis is
away. The flush thread folds the list (`fold`), writes what it found as an operation (`operation`), and starts again
from zero (`settle`) once that is safe in a batch: whatever fails on the way, no record is lost.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self, cast

from labkit.errors import MetricError
from labkit.writer.descriptor import Descriptor

if TYPE_CHECKING:
    from labkit.writer.registry import Registry

# Why a series is written, which decides what the server expects, and whether a removed series comes back:
# it is new to this writer, something was recorded, all is written again, or only its time to live is renewed.
Mode = Literal["new", "record", "again", "refresh"]
# When a series is due, if not at a time on the flush thread's clock, which is always above 0.
NEW, AGAIN, NOW, NEVER = -math.inf, -1.0, 0.0, math.inf
# Records folded at a time: about a millisecond of work.
SLICE = 4096


class Instrument(ABC):
    """A metric, or one of its children. Only a child, or a metric without labels, holds a series."""

    __slots__ = (
        "_append",
        "_by_labels",
        "_children",
        "_known_by",
        "_registry",
        "descriptor",
        "due_at",
        "folded",
        "key",
        "label_values",
        "records",
    )

    def __init__(
        self, descriptor: Descriptor, registry: "Registry", label_values: tuple[str, ...] = (), key: str = ""
    ) -> None:
        self.descriptor = descriptor
        self.label_values = label_values
        self.key = key
        # How many records were folded and not settled yet, and when the series is due even if none was (on the flush
        # thread's clock): at once if it is new, never if it was removed. A tick checks both for every series.
        self.folded = 0
        self.due_at = NEW
        self._registry = registry
        self._children: dict[tuple[str, ...], Self] = {}
        self._by_labels: dict[tuple[object, ...], Self] = {}
        # Where a child is in its metric's `_by_labels`, so that it need not be searched for when it leaves.
        self._known_by: tuple[tuple[object, ...], ...] = ()
        # What was recorded and not folded yet.
        self.records: list[Any] = []
        self._append: Callable[[Any], None] = self.records.append if self.is_series else self._refuse

    def __reduce__(self) -> NoReturn:
        name = self.descriptor.name
        raise MetricError(f"{name} cannot be pickled or copied: make a service per process, and declare it there.")

    @property
    def is_series(self) -> bool:
        return len(self.label_values) == len(self.descriptor.labels)

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
        if not plain and (child := self._children.get(key)) is not None:
            return child
        given = (tuple(labels.items()) if labels else values) if plain else None
        return cast(Self, self._registry.admit(self, key, given))

    def _label_values(self, values: tuple[object, ...], labels: Mapping[str, object]) -> tuple[str, ...]:
        names = self.descriptor.labels
        if self.label_values or not names:
            raise MetricError(f"{self.descriptor.name} has no (more) labels: record to it directly.")
        if (values and labels) or (set(labels) != set(names) if labels else len(values) != len(names)):
            given = ", ".join(labels) or f"{len(values)} values"
            raise MetricError(f"{self.descriptor.name} has the labels ({', '.join(names)}), but was given {given}.")
        # What `str` returns may be of a class of its own, with methods that would run where the registry is locked.
        return tuple(str.__str__(str(value)) for value in ([labels[name] for name in names] if labels else values))

    def remove(self, *values: object, **labels: object) -> None:
        """Remove the child with these label values from Redis, whichever processes wrote it.

        It comes back when one of them records to it again: a counter or a histogram from zero, a gauge with what that
        process knows. Does nothing if there is no such child.

        Raises:
            MetricError: as for `labels`.
        """
        self._registry.remove(self, self._label_values(values, labels))

    def clear(self) -> None:
        """Remove every child from Redis, whichever processes wrote it; see `remove`.

        What other threads record meanwhile may be removed, too.

        Raises:
            MetricError: the metric has no labels.
        """
        self._label_values(("",) * len(self.descriptor.labels), {})
        self._registry.remove_all(self)

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
        name, names = self.descriptor.name, self.descriptor.labels
        example = ", ".join(f"{label}=…" for label in names)
        raise MetricError(f"{name} has labels: record to a child, {name}.labels({example}).")

    @property
    def mode(self) -> Mode:
        """Why this series is to be written now."""
        # Of what is written again the server need hold nothing; what was recorded to besides, it takes like a new one.
        if self.due_at == NEW or (self.folded and self.due_at == AGAIN):
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
        """What was folded is in a batch, or was dropped: start again from zero, wholly or not. Flush thread only."""

    @abstractmethod
    def forget(self) -> None:
        """Drop all that was recorded and not settled: after a fork it belongs to the parent."""
