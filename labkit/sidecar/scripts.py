"""Lua: `redis-exporter.lua` behind typed methods. Nothing else sees its KEYS and ARGV; its header is the contract."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import redis
from redis.exceptions import InvalidResponse, NoScriptError

from labkit.keyspace.keys import Keys
from labkit.keyspace.script import Script

# Series in one call, so that each holds Redis for a millisecond: what changed, and what is read by name.
PAGE_SIZE, READ_SIZE, NAMES_AT_ONCE = 200, 50, 200
# Bytes, as in the script: no series has longer JSON, or a longer key.
LONGEST = 32 * 1024


@dataclass(frozen=True, slots=True)
class Held:
    """One series as Redis holds it: its JSON, or the `reason` why that cannot be one.

    `ms` is its time to live in milliseconds (-1: forever).
    """

    key: bytes
    ms: int
    json: bytes
    reason: str = ""

    @property
    def gone(self) -> bool:
        return self.ms == -2


@dataclass(frozen=True)
class Changes:
    """Some series that changed, in the order of their versions, and the epoch and the version of the server.

    `reached` is the version of the last of them if there are more, else empty. It is text, to be passed back as it is.
    """

    epoch: bytes
    version: float
    reached: str
    series: list[Held]


class ReadScripts:
    """What the sidecar may call: `redis-exporter.lua`, read-only.

    Raises:
        redis.RedisError: Redis is away, refuses, or gives an answer that no server of ours would.
    """

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client, self._keys = client, keys
        self._exporter = Script("redis-exporter.lua")

    def changed(self, since: str, *, everything: bool = False, limit: int = PAGE_SIZE) -> Changes:
        """Return the series that changed after the version `since`, at most `limit` of them.

        With `everything`, those beyond the server's version are among them.
        """
        reply = self._call([], "all" if everything else "changed", since, limit)
        with _expected_form():
            epoch, version, reached, *flat = reply
            return Changes(epoch, float(version), reached.decode(), _series(flat))

    def read(self, keys: Sequence[bytes]) -> list[Held]:
        """Return the first of these series as they are now, changed or not: as many as fit into a short call."""
        reply = self._call(keys[:READ_SIZE], "read")
        with _expected_form():
            return _series(_not_empty(reply))

    def metadata(self, names: Sequence[str]) -> dict[str, bytes | None]:
        """Return what `<prefix>.meta` holds of the first of these metrics: of as many as fit into a short call."""
        reply = self._call([self._keys.meta], "meta", *names[:NAMES_AT_ONCE])
        with _expected_form():
            return dict(zip(names, _not_empty(reply), strict=False))

    def _call(self, series: Iterable[str | bytes], *arguments: str | int) -> list[Any]:
        keys: tuple[str | bytes, ...] = (self._keys.state, self._keys.index, *series)
        try:
            return self._evalsha_ro(len(keys), *keys, *arguments)
        except NoScriptError:
            self._client.script_load(self._exporter.text)
            return self._evalsha_ro(len(keys), *keys, *arguments)

    def _evalsha_ro(self, count: int, *arguments: str | int | bytes) -> list[Any]:
        # redis-py passes arguments of any of its own types on, whatever its annotation says.
        return cast(list[Any], self._client.evalsha_ro(self._exporter.sha, count, *cast(tuple[str, ...], arguments)))


@contextmanager
def _expected_form() -> Iterator[None]:
    """Take a reply apart inside: whatever fails there is about the server."""
    try:
        yield
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidResponse(f"redis-exporter.lua gave an answer that labkit does not understand: {error}") from error


def _not_empty(reply: list[Any]) -> list[Any]:
    if not reply:
        raise ValueError("nothing")
    return reply


def _series(flat: list[Any]) -> list[Held]:
    return [_held(*row) for row in zip(flat[::3], flat[1::3], flat[2::3], strict=True)]


def _held(key: bytes, ms: int, held: bytes | list[bytes]) -> Held:
    if isinstance(held, bytes):
        return Held(key, ms, held)
    (reason,) = held
    return Held(key, ms, b"", reason.decode())
