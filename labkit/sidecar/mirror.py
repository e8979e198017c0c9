"""Lua: the live series of one Redis, kept up to date by reading only what changed since the last time.

Every series write has a version, and the index in Redis has the series in the order of their versions: a refresh
costs what changed, not what is there. What changes without a version (a key that expires, is deleted, or is written
by hand) is found by the time to live of each entry, and by `walk`, which steps through the keyspace meanwhile.
"""

import logging
import threading
from collections import Counter
from collections.abc import Iterable
from math import inf
from time import monotonic
from typing import cast

import redis

from labkit.keys import Keys
from labkit.sidecar.deadlines import Deadlines
from labkit.sidecar.exposition import Family, page, read_metadata
from labkit.sidecar.rendering import Lines, render
from labkit.sidecar.scripts import PAGE_SIZE, READ_SIZE, Page, ReadScripts

log = logging.getLogger("labkit")

COMPLAIN_EVERY, NAMED_AT_ONCE = 60.0, 10
KEYS_PER_SCAN = 500
# Between two SCAN steps, so that a walk never has Redis to itself.
SCAN_PAUSE = 0.002


class Mirror:
    """A copy of the series under one prefix, as text ready to expose.

    `reserved` names belong to somebody else on the same page. All methods may be called from different threads.
    """

    def __init__(self, client: redis.Redis, keys: Keys, reserved: Iterable[str] = ()) -> None:
        self._client, self._keys = client, keys
        self._scripts = ReadScripts(client, keys)
        self._reserved = frozenset(reserved)
        self._lock = threading.RLock()
        self._run_id = ""
        self._text: tuple[bytes, ...] | None = None
        self._complained_at = -inf
        self.pages_read = 0
        self._forget_all()

    def __len__(self) -> int:
        with self._lock:
            return sum(len(family.lines) for family in self._families.values())

    @property
    def skipped(self) -> Counter[str]:
        """How many series cannot be read at present, by reason."""
        with self._lock:
            return Counter(self._bad.values())

    def refresh(self) -> None:
        """Bring the copy up to date.

        Raises:
            redis.RedisError: Redis is away or refuses; the copy is as old as it was.
        """
        with self._lock:
            self._meet_server()
            self._read_changed()
            self._read(self._deadlines.pop_due(monotonic()))
            self._complain(monotonic())

    def families(self) -> list[Family]:
        """Return the families of all readable series, each name once, in alphabetical order."""
        with self._lock:
            return [family for _, family in sorted(self._families.items())]

    def page(self) -> tuple[bytes, ...]:
        """Return the page with all families, in pieces. Kept until something changes."""
        with self._lock:
            if self._text is None:
                self._text = page(self.families())
            return self._text

    def walk(self, stop: threading.Event) -> None:
        """Step once through the whole keyspace: find series without an index entry, and forget deleted ones.

        Raises:
            redis.RedisError: Redis is away or refuses.
        """
        self.refresh()
        with self._lock:
            unseen, cursor = {key for family in self._families.values() for key in family.lines} | {*self._bad}, 0
        pattern = f"{self._keys.prefix}:*"
        while not stop.is_set():
            cursor, found = self._client.scan(cursor, match=pattern, count=KEYS_PER_SCAN)
            keys = cast(list[bytes], found)
            unseen.difference_update(keys)
            if differing := self._differing(keys):
                # What a writer changed since the last refresh comes as pages, which hold Redis for less.
                self.refresh()
                self._read(self._differing(differing))
            if cursor == 0:
                self._read(list(unseen))
                return
            stop.wait(SCAN_PAUSE)

    def _forget_all(self) -> None:
        self._epoch, self._version = "", 0
        self._families: dict[str, Family] = {}
        # Name on the page -> name of the family that has it.
        self._owners: dict[str, str] = {}
        # Series that cannot be read, and why.
        self._bad: dict[bytes, str] = {}
        # Those that the log has not named yet.
        self._unnamed: set[bytes] = set()
        self._deadlines = Deadlines()
        self._helps: dict[str, str] = {}
        self._text = None

    def _meet_server(self) -> None:
        """A server that was restarted or replaced may have another past: read everything from it."""
        run_id = str(self._client.info("server")["run_id"])
        if run_id != self._run_id:
            self._forget_all()
            self._run_id = run_id

    def _read_changed(self) -> None:
        while True:
            changed = self._page_since(self._version)
            if changed.epoch != self._epoch or changed.version < self._version:
                self._forget_all()
                self._epoch = changed.epoch
                changed = self._page_since(0)
            strange = []
            for held in changed.series:
                lines = render(held.key, held.json) if held.json is not None else None
                if lines or held.gone:
                    self._store(held.key, held.ms, lines)
                else:
                    strange.append(held.key)
            self._read(strange)
            self._version = changed.version
            if len(changed.series) < PAGE_SIZE:
                break
        self._read_metadata()

    def _page_since(self, version: int) -> Page:
        self.pages_read += 1
        return self._scripts.page(self._epoch, version)

    def _read_metadata(self) -> None:
        helps = read_metadata(cast(dict[bytes, bytes], self._client.hgetall(self._keys.meta)))
        if helps != self._helps:
            self._helps, self._text = helps, None
            for name, family in self._families.items():
                family.explain(helps.get(name, ""))

    def _differing(self, keys: list[bytes]) -> list[bytes]:
        """Return those that do not hold what we have of them; after a refresh, nobody gave that change a version."""
        held = self._client.mget(keys) if keys else []
        with self._lock:
            return [key for key, json in zip(keys, held, strict=True) if self._digest(key) != hash(json)]

    def _digest(self, key: bytes) -> int | None:
        family = self._families.get(_kind_and_name(key)[1])
        lines = family.lines.get(key) if family else None
        return lines.digest if lines else None

    def _read(self, keys: list[bytes]) -> None:
        """Let the script expose these series, in small steps."""
        for start in range(0, len(keys), READ_SIZE):
            with self._lock:
                for entry in self._scripts.read(keys[start : start + READ_SIZE]):
                    self._store(entry.key, entry.ms, entry.lines, entry.reason)

    def _store(self, key: bytes, ms: int, lines: Lines | None, reason: str = "") -> None:
        """Take over what was read: its lines, or the reason why there are none; neither if the series is gone."""
        self._text = None
        if lines and not reason and not self._place(key, lines):
            lines, reason = None, "conflict"
        if not lines:
            self._remove(key)
        if reason:
            if self._bad.get(key) != reason:
                self._unnamed.add(key)
            self._bad[key] = reason
        elif self._bad.pop(key, None):
            self._unnamed.discard(key)
        if ms >= 0:
            self._deadlines.set(key, monotonic() + ms / 1000)
        else:
            self._deadlines.drop(key)

    def _place(self, key: bytes, lines: Lines) -> bool:
        """Put the lines into their family, unless another one, or one of another kind, has one of its names."""
        kind, name = _kind_and_name(key)
        family = self._families.get(name)
        if family is None:
            family = Family(name, kind, self._helps.get(name, ""))
            if any(other in self._owners or other in self._reserved for other in family.names):
                return False
            self._families[name] = family
            self._owners |= dict.fromkeys(family.names, name)
        elif family.kind != kind:
            return False
        family.put(key, lines)
        return True

    def _complain(self, now: float) -> None:
        """Name the series that have become unreadable, in one line, at most once a minute."""
        if not self._unnamed or now < self._complained_at + COMPLAIN_EVERY:
            return
        named = sorted(self._unnamed)[:NAMED_AT_ONCE]
        keys = ", ".join(f"{key.decode(errors='backslashreplace')!r} ({self._bad[key]})" for key in named)
        more = len(self._unnamed) - len(named)
        log.warning("Left out, because it cannot be read: %s%s", keys, f", and {more} more." if more else ".")
        self._unnamed.clear()
        self._complained_at = now

    def _remove(self, key: bytes) -> None:
        family = self._families.get(_kind_and_name(key)[1])
        if family is None:
            return
        family.drop(key)
        if not family.lines:
            del self._families[family.name]
            for name in family.names:
                del self._owners[name]


def _kind_and_name(key: bytes) -> tuple[str, str]:
    """Return what a series key says; what is no series key has neither."""
    parts = key.decode(errors="replace").split(":", 3)
    return (parts[1], parts[2]) if len(parts) > 2 else ("", "")
