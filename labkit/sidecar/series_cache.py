"""Lua: the live series of one Redis, kept up to date by reading only what changed since the last time.

Every series write has a version, and the index in Redis has the series in the order of their versions: a refresh
costs what changed, not what is there. What changes without a version (a key that expires, is deleted, or is written
by hand) is found by the time to live of each entry, and by `walk`, which steps through the keyspace meanwhile.
"""

import threading
from collections import Counter
from collections.abc import Iterable
from math import inf
from time import monotonic
from typing import cast

import redis

from labkit.keyspace.keys import LONGEST_KEY, Keys
from labkit.sidecar.bounded_reads import run_id_of, within
from labkit.sidecar.expiry_queue import ExpiryQueue
from labkit.sidecar.exposition import Family, page, read_metadata
from labkit.sidecar.families import Families, name_and_kind
from labkit.sidecar.judging import judge
from labkit.sidecar.rendering import Lines, render
from labkit.sidecar.scripts import LONGEST, Changes, Held, ReadScripts
from labkit.sidecar.skipped_series import SkippedSeries

KEYS_PER_SCAN = 500
# Between two SCAN steps, so that a walk never has Redis to itself.
SCAN_PAUSE = 0.002
# How long a refresh may take, s, or one step of a walk, however slow the link is.
REFRESH_TIMEOUT = 60.0
_BEGINNING = "-inf"


class SeriesCache:
    """A copy of the series under one prefix, as text ready to expose.

    `reserved` names belong to something else on the same page. All methods may be called from different threads; those
    that count do not wait for Redis. `skipped` says how many series cannot be shown at present, by reason.
    """

    def __init__(self, client: redis.Redis, keys: Keys, reserved: Iterable[str] = ()) -> None:
        self._client, self._keys = client, keys
        self._scripts = ReadScripts(client, keys)
        self._reserved = frozenset(reserved)
        self._skipped_series = SkippedSeries()
        self._lock = threading.RLock()
        self._run_id = ""
        self.pages_read = 0
        self._text: tuple[bytes, ...] | None = None
        self._forget_all()
        self._count()

    def __len__(self) -> int:
        return self._shown

    def refresh(self, timeout: float = REFRESH_TIMEOUT) -> None:
        """Bring the copy up to date, within about `timeout` seconds.

        Raises:
            redis.RedisError: Redis is away, refuses or is slow; the copy is older than it should be. The next refresh
                goes on from there.
        """
        with self._lock, within(timeout):
            try:
                self._check_server()
                self._read_changed(monotonic() + timeout)
                self._read_due()
                self._read_help()
            finally:
                self._count()
            self._skipped_series.log_new(monotonic())

    def families(self) -> list[Family]:
        """Return the families on the page, each name once, in alphabetical order."""
        with self._lock:
            return self._families.shown_and_hidden()[0]

    def page(self) -> tuple[bytes, ...]:
        """Return the page with all families, in pieces. Cached until something changes."""
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
            unseen, cursor = {key for family in self._families for key in family.lines} | {*self._skipped_series}, 0
        while not stop.is_set():
            with within(REFRESH_TIMEOUT):
                cursor = self._step(cursor, unseen)
            if cursor == 0:
                self._finish(unseen)
                return
            stop.wait(SCAN_PAUSE)

    def _step(self, cursor: int, unseen: set[bytes]) -> int:
        cursor, found = self._client.scan(cursor, match=f"{self._keys.prefix}:*", count=KEYS_PER_SCAN)
        keys = [key[: LONGEST_KEY + 1] for key in cast(list[bytes], found)]
        unseen.difference_update(keys)
        if differing := self._differing(keys):
            # What a writer changed since the last refresh comes as pages, which block Redis for less time.
            self.refresh()
            self._read(self._differing(differing))
        return cursor

    def _finish(self, unseen: set[bytes]) -> None:
        """Forget those that a walk has not seen, if they are gone."""
        self._read([key for key in unseen if len(key) <= LONGEST_KEY])
        with self._lock, within(REFRESH_TIMEOUT):
            # Of a key that is too long we know too little to ask for it.
            self._update([Held(key, -2, b"") for key in unseen if len(key) > LONGEST_KEY])
            self._changed_names.update(family.name for family in self._families)
            self._read_help()
            self._count()

    def _forget_all(self) -> None:
        self._epoch, self._version = b"", 0.0
        # The version after which to continue, and whether everything is being read for the first time.
        self._cursor, self._catching_up = _BEGINNING, True
        self._families = Families(self._reserved)
        self._skipped_series.clear()
        self._expiries = ExpiryQueue()
        # The names of the series that came since their help was read.
        self._changed_names: set[str] = set()
        self._text = None

    # Reading ---------------------------------------------------------------------------------------------------

    def _check_server(self) -> None:
        """Read everything again if the server was restarted or replaced: it may have a different past."""
        run_id = run_id_of(self._client)
        if run_id != self._run_id:
            self._forget_all()
            self._run_id = run_id

    def _read_changed(self, deadline: float) -> None:
        """Take page after page, up to the version that the server has now."""
        goal = inf
        while True:
            changes = self._scripts.changed(self._cursor, everything=self._catching_up)
            self.pages_read += 1
            if changes.epoch != self._epoch or changes.version < self._version:
                # This server has a different past from the one we have seen.
                self._forget_all()
                self._epoch, self._version = changes.epoch, changes.version
            else:
                goal = inf if self._catching_up else min(goal, changes.version)
                self._follow(changes)
                if float(self._cursor) >= goal:
                    return
            if monotonic() > deadline:
                raise redis.TimeoutError("what changed could not be read in time, and will be read on")

    def _follow(self, changes: Changes) -> None:
        self._update(changes.series)
        if self._catching_up:
            self._catching_up = bool(changes.reached)
        else:
            self._version = changes.version
        self._cursor = changes.reached or f"{self._version:.17g}"

    def _read_due(self) -> None:
        """Read those whose time has come again."""
        now = monotonic()
        due = self._expiries.pop_due(now)
        try:
            self._read(due)
        except Exception:
            for key in due:
                self._expiries.set(key, now)
            raise

    def _read(self, keys: list[bytes]) -> None:
        """Read these series, in small steps, whether or not they have changed."""
        done = 0
        while done < len(keys):
            with self._lock, within(REFRESH_TIMEOUT):
                series = self._scripts.read(keys[done:])
                self._update(series)
            done += len(series)

    def _differing(self, keys: list[bytes]) -> list[bytes]:
        """Return those that do not hold what we have for them; after a refresh, that change has no version."""
        pipeline = self._client.pipeline(transaction=False)
        for key in keys:
            # One by one, because Redis serves others in between, and no more of each than a series may have.
            pipeline.getrange(key, 0, LONGEST)
        # What is not a string has an error in its place, which differs from everything.
        held = pipeline.execute(raise_on_error=False)
        with self._lock:
            return [key for key, json in zip(keys, held, strict=True) if self._digest(key) != hash(json)]

    def _digest(self, key: bytes) -> int | None:
        lines = self._families.lines_of(key)
        return lines.digest if lines else self._skipped_series.digest(key)

    def _update(self, series: list[Held]) -> None:
        for held in series:
            self._update_one(held)
            if held.ms >= 0:
                self._expiries.set(held.key, monotonic() + held.ms / 1000)
            else:
                self._expiries.drop(held.key)

    def _update_one(self, held: Held) -> None:
        """Take over what was read: its lines, or the reason why there are none; neither if the series is gone."""
        self._text = None
        found = held.reason if held.reason or held.gone else render(held.key, held.json) or self._judge(held)
        if isinstance(found, Lines):
            self._families.put(held.key, found)
            self._changed_names.add(name_and_kind(held.key)[0])
            self._skipped_series.drop(held.key)
            return
        self._families.remove(held.key)
        if found:
            self._skipped_series.put(held.key, found, None if held.reason else hash(held.json))
        else:
            self._skipped_series.drop(held.key)

    def _judge(self, held: Held) -> Lines | str:
        return self._skipped_series.reason(held.key, hash(held.json)) or judge(held.key, held.json)

    def _count(self) -> None:
        """Note how many series there are: a page says so even while Redis is being read."""
        shown, hidden = self._families.shown_and_hidden()
        self._shown = sum(len(family.lines) for family in shown)
        conflicts = sum(len(family.lines) for family in hidden)
        self.skipped = self._skipped_series.by_reason() + Counter(conflict=conflicts)

    # Help -----------------------------------------------------------------------------------------------------

    def _read_help(self) -> None:
        """Read the help of those families that got a series: only that may be new."""
        names = sorted(self._changed_names)
        while names:
            found = self._scripts.metadata(names)
            helps = read_metadata(found)
            changed = [self._families.set_help(name, helps.get(name, "")) for name in found]
            if any(changed):
                self._text = None
            del names[: len(found)]
        self._changed_names.clear()
