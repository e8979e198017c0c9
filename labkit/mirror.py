"""Lua: the live series of one Redis, kept up to date by reading only what changed since the last time.

Every series write has a version, and the index in Redis has the series in the order of their versions: a refresh
costs what changed, not what is there. What changes without a version (a key that expires, is deleted, or is written
by hand) is found by the time to live of each entry, and by `walk`, which steps through the keyspace meanwhile.
"""

import threading
from collections import Counter
from collections.abc import Iterable
from time import monotonic
from typing import cast

import redis

from labkit.deadlines import Deadlines
from labkit.exposition import KIND_OF_QUANTILES, QUANTILES, Family, read_metadata
from labkit.keys import Keys
from labkit.scripts import PAGE_SIZE, Entry, ReadScripts

KEYS_PER_SCAN = 500
# Between two SCAN steps, so that a walk never has Redis to itself.
SCAN_PAUSE = 0.002


class Mirror:
    """A copy of the series under one prefix, as text ready to expose.

    `refresh` and `walk` may be called from different threads.
    """

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client, self._keys = client, keys
        self._scripts = ReadScripts(client, keys)
        self._lock = threading.RLock()
        self._run_id = ""
        self._forget_all()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def skipped(self) -> Counter[str]:
        """How many series cannot be read at present, by reason."""
        with self._lock:
            return Counter(entry.reason for entry in self._bad.values())

    def refresh(self) -> None:
        """Bring the copy up to date.

        Raises:
            redis.RedisError: Redis is away or refuses; the copy is as old as it was.
        """
        with self._lock:
            self._meet_server()
            self._read_changed()
            self._read_due()

    def families(self) -> list[Family]:
        """Return the families of all readable series, each name once, in alphabetical order."""
        with self._lock:
            return [family for _, family in sorted(self._families.items())]

    def walk(self, stop: threading.Event) -> None:
        """Step once through the whole keyspace: find series without an index entry, and forget deleted ones.

        Raises:
            redis.RedisError: Redis is away or refuses.
        """
        self.refresh()
        with self._lock:
            unseen, cursor = {*self._entries, *self._bad}, 0
        pattern = f"{self._keys.prefix}:*"
        while not stop.is_set():
            cursor, found = self._client.scan(cursor, match=pattern, count=KEYS_PER_SCAN)
            keys = cast(list[bytes], found)
            unseen.difference_update(keys)
            self._read(key for key in keys if key not in self._entries or key in self._by_hand)
            if cursor == 0:
                self._read(unseen)
                return
            stop.wait(SCAN_PAUSE)

    def _forget_all(self) -> None:
        self._epoch, self._version = "", 0
        self._entries: dict[bytes, Entry] = {}
        self._bad: dict[bytes, Entry] = {}
        # Series found by a walk: nobody versions them, so each walk reads them again.
        self._by_hand: set[bytes] = set()
        self._deadlines = Deadlines()
        self._families: dict[str, Family] = {}

    def _meet_server(self) -> None:
        """A server that was restarted or replaced may have another past: read everything from it."""
        run_id = str(self._client.info("server")["run_id"])
        if run_id != self._run_id:
            self._forget_all()
            self._run_id = run_id

    def _read_changed(self) -> None:
        while True:
            page = self._scripts.page(self._epoch, self._version)
            if page.epoch != self._epoch or page.version < self._version:
                self._forget_all()
                self._epoch = page.epoch
                page = self._scripts.page(self._epoch, 0)
            for entry in page.entries:
                self._by_hand.discard(entry.key)
                self._store(entry)
            self._version = page.version
            if len(page.entries) < PAGE_SIZE:
                break
        self._read_metadata()

    def _read_metadata(self) -> None:
        metadata = read_metadata(cast(dict[bytes, bytes], self._client.hgetall(self._keys.meta)))
        for name, family in self._families.items():
            family.help = metadata.get(name, family.help)

    def _read_due(self) -> None:
        """Entries whose time is up are read again: the key may have expired, or been refreshed meanwhile."""
        self._read(self._deadlines.pop_due(monotonic()))

    def _read(self, keys: Iterable[bytes]) -> None:
        keys = list(keys)
        for i in range(0, len(keys), PAGE_SIZE):
            with self._lock:
                for entry in self._scripts.read(keys[i : i + PAGE_SIZE]):
                    if entry.key not in self._entries:
                        self._by_hand.add(entry.key)
                    self._store(entry)

    def _store(self, entry: Entry) -> None:
        self._remove(entry.key)
        if entry.gone:
            self._by_hand.discard(entry.key)
            return
        if entry.ms >= 0:
            self._deadlines.set(entry.key, monotonic() + entry.ms / 1000)
        if entry.reason:
            self._bad[entry.key] = entry
        elif not self._place(entry):
            self._bad[entry.key] = Entry(entry.key, entry.ms, reason="conflict")

    def _place(self, entry: Entry) -> bool:
        """Put the lines of an entry into its families, unless a family of another kind has one of the names."""
        parts = _parts(entry)
        if any(name in self._families and self._families[name].kind != kind for name, kind, _ in parts):
            return False
        for name, kind, lines in parts:
            self._families.setdefault(name, Family(name, kind)).put(entry.key, lines)
        self._entries[entry.key] = entry
        return True

    def _remove(self, key: bytes) -> None:
        self._deadlines.drop(key)
        self._bad.pop(key, None)
        known = self._entries.pop(key, None)
        for name, _, _ in _parts(known) if known else ():
            self._families[name].drop(key)
            if not self._families[name].lines:
                del self._families[name]


def _parts(entry: Entry) -> list[tuple[str, str, bytes]]:
    """Return (family, kind, lines) for each family that an entry has samples in."""
    kind, name = entry.key.decode().split(":", 3)[1:3]
    quantiles = zip(QUANTILES, entry.quantiles, strict=False)
    return [(name, kind, entry.lines)] + [(f"{name}_{q}", KIND_OF_QUANTILES, lines) for q, lines in quantiles]
