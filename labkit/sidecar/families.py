"""Exposition: all families of the series that can be read, and which of them are on the page."""

from collections.abc import Iterable, Iterator

from labkit.sidecar.exposition import Family
from labkit.sidecar.kinds import KINDS
from labkit.sidecar.rendering import Lines

_RANKS = {kind: rank for rank, kind in enumerate(KINDS)}


class Families:
    """Families by name and kind. Not thread-safe.

    Where several claim a name, one has it and the others are hidden: the first in alphabetical order; of one name, the
    histogram before the counter, before the gauge. So the page depends on what is in Redis, and not on what came first.
    `reserved` names belong to something else on the same page.
    """

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self._reserved = frozenset(reserved)
        self._all: dict[tuple[str, str], Family] = {}
        # None if a family came or went since they were sorted.
        self._sorted: tuple[list[Family], list[Family]] | None = None

    def __iter__(self) -> Iterator[Family]:
        return iter(self._all.values())

    def put(self, key: bytes, lines: Lines) -> None:
        """Take over the lines of a series, instead of those it had."""
        name, kind = place = name_and_kind(key)
        if place not in self._all:
            self._all[place], self._sorted = Family(name, kind), None
        self._all[place].put(key, lines)

    def remove(self, key: bytes) -> None:
        """Forget a series, if it is here, and its family with the last one."""
        place = name_and_kind(key)
        if family := self._all.get(place):
            family.drop(key)
            if not family.lines:
                del self._all[place]
                self._sorted = None

    def lines_of(self, key: bytes) -> Lines | None:
        """Return what a series has on the page, None if it is not here."""
        family = self._all.get(name_and_kind(key))
        return family.lines.get(key) if family else None

    def set_help(self, name: str, text: str) -> bool:
        """Set the help of all families of this name; return whether it changed."""
        changed = [family.set_help(text) for kind in KINDS if (family := self._all.get((name, kind)))]
        return any(changed)

    def shown_and_hidden(self) -> tuple[list[Family], list[Family]]:
        """Return those on the page, each name once, in alphabetical order, and those that found a name taken."""
        if self._sorted is None:
            taken, self._sorted = set(self._reserved), ([], [])
            for family in sorted(self._all.values(), key=_rank):
                free = taken.isdisjoint(family.names)
                self._sorted[not free].append(family)
                taken.update(family.names if free else ())
        return self._sorted


def _rank(family: Family) -> tuple[str, int]:
    return family.name, _RANKS[family.kind]


def name_and_kind(key: bytes) -> tuple[str, str]:
    """Return the name and kind in a series key; empty if it is not one."""
    parts = key.decode(errors="replace").split(":", 3)
    return (parts[2], parts[1]) if len(parts) > 2 else ("", "")
