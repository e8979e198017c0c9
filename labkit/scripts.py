"""Lua: load each script once, and call it through one typed method. Nobody else sees KEYS and ARGV.

The contract of a script is the header of its file in `lua/`.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha1
from typing import Any, Literal, cast

import redis
from redis.connection import Connection
from redis.exceptions import NoScriptError

from labkit.batch import Batch
from labkit.keys import Keys
from labkit.rendering import Lines
from labkit.resources import resource

# Series in one call, so that each holds Redis for a millisecond or two: passed on as they are, or rendered there.
PAGE_SIZE, READ_SIZE = 200, 50


class Script:
    """The text of one Lua file and its digest."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = resource("lua", name).read_text(encoding="utf-8")

    @cached_property
    def sha(self) -> str:
        return sha1(self.text.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class FlushReply:
    """What `flush.lua` said of one batch.

    `fence` is the number of the last batch applied, None if there is none; `known` says whether there was one before.
    """

    status: Literal["applied", "duplicate", "gap"]
    epoch: str
    fence: int | None
    known: bool
    skipped: dict[str, str]
    folded: tuple[str, ...]
    removed: tuple[str, ...]


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

    `ms` is how long it holds, in milliseconds (-1: for ever); a series that is gone has `gone` set.
    `lines` is None if there are none; `reason` says why, if it cannot be read.
    """

    key: bytes
    ms: int
    lines: Lines | None
    reason: str = ""

    @property
    def gone(self) -> bool:
        return self.ms == -2


@dataclass(frozen=True)
class Page:
    """The series that changed, the epoch they belong to and the version reached."""

    epoch: str
    version: int
    series: list[Held]


class FlushStream:
    """Batches on their way over one connection: several are sent before the first is answered."""

    def __init__(self, connection: Connection, sha: str, keys: Keys) -> None:
        self._connection, self._sha, self._keys = connection, sha, keys
        self.in_flight = 0

    def send(self, batch: Batch, oldest: int) -> None:
        """Send one batch; `oldest` is the number of the oldest that was not answered.

        Raises:
            redis.ConnectionError, redis.TimeoutError: nobody knows what arrived; send it again.
        """
        keys = self._keys
        names = (keys.state, keys.index, keys.meta, keys.removed, keys.writer(batch.writer), *batch.keys)
        command = ("EVALSHA", self._sha, len(names), *names, *batch.arguments(oldest))
        self._connection.send_packed_command(self._connection.pack_command(*command))  # type: ignore[no-untyped-call]  # redis-py
        self.in_flight += 1

    def receive(self) -> FlushReply:
        """Return the answer to the oldest batch in flight. It was applied whole, or not at all.

        Raises:
            redis.ResponseError: it was refused; nothing was written.
            redis.ConnectionError, redis.TimeoutError: nobody knows; send it again.
        """
        reply = self._connection.read_response()
        self.in_flight -= 1
        return _flush_reply(cast(list[Any], reply))


class WriteScripts:
    """What a writer may call: `flush.lua`."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client, self._keys = client, keys
        self._flush = Script("flush.lua")

    @contextmanager
    def stream(self) -> Iterator[FlushStream]:
        """Connect, and send batches one behind the other.

        Raises:
            redis.RedisError, OSError: Redis is away.
        """
        pool = self._client.connection_pool
        connection = pool.get_connection()
        stream = FlushStream(connection, self._flush.sha, self._keys)
        try:
            yield stream
        finally:
            # Answers that nobody waited for must not be taken for those to something else.
            if stream.in_flight:
                connection.disconnect()  # type: ignore[no-untyped-call]  # redis-py
            pool.release(connection)

    def load(self) -> None:
        """Give the server the script, after it answered NOSCRIPT."""
        self._client.script_load(self._flush.text)

    def keys_like(self, pattern: str) -> list[str]:
        """Return the series keys in the index that match, in small steps."""
        found = self._client.zscan_iter(self._keys.index, match=pattern, count=1000)
        return [key.decode() for key, _ in found]


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


def _flush_reply(reply: list[Any]) -> FlushReply:
    status, epoch, fence, known, skipped, folded, removed = reply
    names = [item.decode() for item in skipped]
    return FlushReply(
        status=status.decode(),
        epoch=epoch.decode(),
        fence=int(fence) if fence else None,
        known=bool(known),
        skipped=dict(zip(names[::2], names[1::2], strict=True)),
        folded=tuple(key.decode() for key in folded),
        removed=tuple(key.decode() for key in removed),
    )


def _entry(key: bytes, ms: int, lines: bytes | None, more: bytes = b"", *quantiles: bytes) -> Entry:
    if not lines:
        return Entry(key, ms, None, more.decode())
    return Entry(key, ms, Lines(lines, more, b"".join(quantiles)))
