"""Record: what counters, gauges and histograms have in common: children by label values, and what is pending.

A record waits in a plain list, to which appending is atomic: no lock, no I/O, and never an exception because Redis is
away. The flush thread folds the list into an aggregate (`fold`), writes that as an operation (`collect`), and starts
again from zero (`settle`) once it is safe in a batch: whatever fails on the way, no record is lost.

Only an instrument changes what it has pending and when it is due; others read that, and call its methods.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, Self

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
# The children of what has none: of thousands of series, which share it to save memory.
_NOTHING: dict[Any, Any] = {}


class Instrument(ABC):
    """A metric, or one of its children. Only a child, or a metric without labels, holds a series."""

    __slots__ = (
        "_aggregate",
        "_append",
        "_by_name",
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
    # What no records add up to. Aggregates are replaced, never changed.
    ZERO: ClassVar[Any]

    def __init__(
        self, descriptor: Descriptor, registry: "Registry", label_values: tuple[str, ...] = (), key: str = ""
    ) -> None:
        self.descriptor, self.label_values, self.key = descriptor, label_values, key
        self._registry = registry
        # How many records were folded and not settled yet, what they add up to, and when the series is due even if
        # there are none (on the flush thread's clock): at once if it is new, never if it was removed. A tick reads
        # `records` and `due_at` of every series.
        self.folded, self._aggregate, self.due_at = 0, self.ZERO, NEW
        # By label values, and by what `labels` was given by name: the pair of one label, or a tuple of several pairs.
        self._children: dict[tuple[object, ...], Self] = _NOTHING if self.is_series else {}
        self._by_name: dict[tuple[object, ...], Self] = _NOTHING if self.is_series else {}
        # Where a child is in its metric's `_by_name`, so that it need not be searched for when it is removed.
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
        if values and labels:
            return self._look_up(values, labels)  # which refuses it, also if the names alone are known
        if len(labels) == 1:
            # Most metrics have one label. The pair is the key that takes the least time to make.
            pair = labels.popitem()
            try:
                return self._by_name[pair]
            except (KeyError, TypeError):
                return self._look_up(values, dict((pair,)))
        try:
            return self._by_name[tuple(labels.items())] if labels else self._children[values]
        except (KeyError, TypeError):
            return self._look_up(values, labels)

    def _look_up(self, values: tuple[object, ...], labels: Mapping[str, object]) -> Self:
        key, given = self._label_values(values, labels), tuple(labels.items())
        # 1, 1.0 and True are one key of a dict but three label values: only plain text may take the short cut.
        if not given or any(type(text) is not str for pair in given for text in pair):
            child = self._children.get(key)
            return self._registry.find_or_make(self, key, None) if child is None else child
        return self._registry.find_or_make(self, key, given if len(given) > 1 else given[0])

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

    def add_child(self, child: Self, given: tuple[object, ...] | None) -> None:
        """Find this child by its label values from now on, and by what was `given` to `labels`."""
        self._children[child.label_values] = child
        if given is not None:
            self._by_name[given] = child
            child._known_by += (given,)

    def detach(self, child: Self) -> None:
        """Let go of a child. What is still recorded to it goes to the one that takes its place."""
        self._children.pop(child.label_values, None)
        for given in child._known_by:
            self._by_name.pop(given, None)
        # Refers to the values only: a child that referred to itself would wait for the garbage collector.
        child._append = partial(self._pass_on, child.label_values)

    def _pass_on(self, label_values: tuple[str, ...], record: object) -> None:
        self.labels(*label_values)._append(record)

    def redirect(self, instead: Callable[[object], None]) -> None:
        """From now on, pass what is recorded to `instead`."""
        self._append = instead

    def _refuse(self, _: object) -> None:
        name, names = self.descriptor.name, self.descriptor.labels
        example = ", ".join(f"{label}=…" for label in names)
        raise MetricError(f"{name} has labels: record to a child, {name}.labels({example}).")

    # When it is due --------------------------------------------------------------------------------------------------

    def make_due(self) -> None:
        """Be due now, unless somebody removed this series: only a new record brings it back."""
        if self.due_at != NEVER:
            self.due_at = min(self.due_at, NOW)

    def write_again(self) -> None:
        """Be due now, as a server may have lost this series; but not if somebody removed it, see `make_due`."""
        if self.due_at not in (NEVER, NEW):
            self.due_at = AGAIN

    def suppress_refresh(self) -> None:
        """Be due no more, because somebody removed this series, until something is recorded to it."""
        self.due_at = NEVER

    @property
    def mode(self) -> Mode:
        """Why this series is to be written now."""
        # Of what is written again the server need hold nothing; what was recorded to besides, it takes like a new one.
        if self.due_at == NEW or (self.folded and self.due_at == AGAIN):
            return "new"
        if self.folded:
            return "record"
        return "again" if self.due_at == AGAIN else "refresh"

    # What is pending: flush thread only ------------------------------------------------------------------------------

    def fold(self) -> int:
        """Add the oldest records, at most `SLICE`, to the aggregate; return how many."""
        # A slice is small, because the application waits for the interpreter while it is folded. All is computed before
        # anything changes, so that a MemoryError leaves the records where they are. Other threads only ever append.
        chunk = self.records[:SLICE]
        n = len(chunk)
        if n:
            aggregate, folded, due_at = self._add_up(chunk), self.folded + n, min(self.due_at, NOW)
            del self.records[:n]
            self._aggregate, self.folded, self.due_at = aggregate, folded, due_at
        return n

    def collect(self) -> str | None:
        """Return the operation (see lua/flush.lua) that brings Redis up to date, and change nothing.

        None if what was recorded adds up to more than a double can hold.
        """
        return self._operation(self.mode)

    def settle(self, due_at: float) -> None:
        """What was collected is in a batch: start again from zero, and be due at that time."""
        self.reset()
        self.due_at = due_at

    def reset(self) -> None:
        """What was folded is in a batch, or is dropped: start again from zero."""
        self._aggregate, self.folded = self.ZERO, 0

    def forget(self) -> None:
        """Drop all that is pending: after a fork it belongs to the parent."""
        self.records.clear()
        self._aggregate, self.folded = self.ZERO, 0
        self.write_again()

    @abstractmethod
    def _add_up(self, chunk: list[Any]) -> Any:
        """Return the aggregate with these records added, of which there is at least one."""

    @abstractmethod
    def _operation(self, mode: Mode) -> str | None: ...
