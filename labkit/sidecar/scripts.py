"""Lua: `redis-exporter.lua` behind typed methods. Nobody else sees its KEYS and ARGV; its header is the contract."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import redis
from redis.exceptions import NoScriptError

from labkit.keys import Keys
from labkit.script import Script
from labkit.sidecar.rendering import Lines

# Series in one call, so that each holds Redis for a millisecond or two: passed on as they are, or rendered there.
PAGE_SIZE, READ_SIZE = 200, 50


@dataclass(frozen=True, slots=True)
class Held:
    """One series as Redis holds it: `json` is None if that is no string.

    `ms` is its time to live in milliseconds (-1: for ever).
    """

    key: bytes
    ms: int
    json: bytes | None

    @property
    def gone(self) -> bool:
        return self.ms == -2


@dataclass(frozen=True, slots=True)
class Entry:
    """One series as the script exposes it.

    `ms` is how long it holds, in milliseconds (-1: for ever; -2: it is gone).
    `lines` is None if there are none; `reason` says why, if it cannot be read.
    """

    key: bytes
    ms: int
    lines: Lines | None
    reason: str = ""


@dataclass(frozen=True)
class Page:
    """The series that changed, the epoch they belong to and the version reached."""

    epoch: str
    version: int
    series: list[Held]


class ReadScripts:
    """What the sidecar may call: `redis-exporter.lua`, read-only."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client, self._keys = client, keys
        self._exporter = Script("redis-exporter.lua")

    def page(self, epoch: str, since: int, limit: int = PAGE_SIZE) -> Page:
        """Return the series that changed after version `since` of `epoch`, at most `limit` of them."""
        found_epoch, version, *flat = self._call([], "page", epoch, since, limit)
        series = [Held(*row) for row in zip(flat[::3], flat[1::3], flat[2::3], strict=True)]
        return Page(found_epoch.decode(), int(version), series)

    def read(self, keys: Sequence[bytes]) -> list[Entry]:
        """Return these series as they are now, changed or not; at most `READ_SIZE` at a time."""
        return [_entry(*entry) for entry in self._call(keys, "read")]

    def _call(self, series: Iterable[bytes], *arguments: str | int) -> list[Any]:
        keys: tuple[str | bytes, ...] = (self._keys.state, self._keys.index, *series)
        try:
            return self._evalsha_ro(len(keys), *keys, *arguments)
        except NoScriptError:
            self._client.script_load(self._exporter.text)
            return self._evalsha_ro(len(keys), *keys, *arguments)

    def _evalsha_ro(self, count: int, *arguments: str | int | bytes) -> list[Any]:
        # redis-py passes arguments of any of its own types on, whatever its annotation says.
        return cast(list[Any], self._client.evalsha_ro(self._exporter.sha, count, *cast(tuple[str, ...], arguments)))


def _entry(key: bytes, ms: int, lines: bytes | None, more: bytes = b"", *quantiles: bytes) -> Entry:
    if not lines:
        return Entry(key, ms, None, more.decode())
    return Entry(key, ms, Lines(lines, more, b"".join(quantiles)))
