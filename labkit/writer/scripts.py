"""Lua: `flush.lua` and `scan.lua` behind typed methods. Nothing else sees KEYS and ARGV; headers are the contract."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast

import redis
from redis.connection import Connection
from redis.exceptions import NoScriptError

from labkit.keyspace.keys import Keys
from labkit.keyspace.script import Script
from labkit.writer.batch import Batch

# Somebody else's key in the index need not be UTF-8; it goes back as it came.
FOREIGN = "surrogateescape"
ENTRIES_PER_STEP = 1000


@dataclass(frozen=True)
class FlushReply:
    """What `flush.lua` replied to one batch.

    `fence` is the number of the last batch applied, None if there is none; `known` says whether there was one before.
    """

    status: Literal["applied", "duplicate", "gap", "rejected"]
    epoch: str
    fence: int | None
    known: bool
    skipped: dict[str, str]
    folded: tuple[str, ...]
    removed: tuple[str, ...]
    missing: tuple[str, ...]


class FlushStream:
    """Batches on their way over one connection: several are sent before the first is answered."""

    def __init__(self, connection: Connection, sha: str, keys: Keys) -> None:
        self._connection, self._sha, self._keys = connection, sha, keys
        self.in_flight = 0

    def send(self, batch: Batch, oldest: int) -> None:
        """Send one batch; `oldest` is the number of the oldest unanswered one.

        Raises:
            redis.ConnectionError, redis.TimeoutError: what arrived is unknown; send it again.
        """
        names = [*self._keys.bookkeeping, *batch.keys]
        names += [name for key in batch.shared for name in self._keys.of_writers(key)]
        encoded = [name.encode(errors=FOREIGN) for name in names]
        command = ("EVALSHA", self._sha, len(names), *encoded, *batch.arguments(oldest))
        self._connection.send_packed_command(self._connection.pack_command(*command))
        self.in_flight += 1

    def receive(self) -> FlushReply:
        """Return the answer to the oldest batch in flight. It was applied whole, or not at all.

        Raises:
            redis.ResponseError: it was refused; nothing was written.
            redis.ConnectionError, redis.TimeoutError: its fate is unknown; send it again.
        """
        reply = self._connection.read_response()
        self.in_flight -= 1
        return _flush_reply(cast(list[Any], reply))


class WriteScripts:
    """What a writer may call: `flush.lua` and `scan.lua`."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self.client, self._keys = client, keys
        self._flush, self._scan = Script("flush.lua"), Script("scan.lua")

    @contextmanager
    def stream(self) -> Iterator[FlushStream]:
        """Connect, to send batches one after another.

        Raises:
            redis.RedisError, OSError: Redis is away.
        """
        pool = self.client.connection_pool
        connection = pool.get_connection()
        stream = FlushStream(connection, self._flush.sha, self._keys)
        try:
            yield stream
        finally:
            # Answers that nobody waited for must not be mistaken for those to something else.
            if stream.in_flight:
                connection.disconnect()
            pool.release(connection)

    def load(self) -> None:
        """Give the server the script, after it answered NOSCRIPT."""
        self.client.script_load(self._flush.text)

    def keys_like(self, pattern: str) -> list[str]:
        """Return the series keys in the index that match, in small steps."""
        cursor, found = b"0", dict[bytes, None]()
        while True:
            cursor, flat = self._step(cursor, pattern)
            found.update(dict.fromkeys(flat[::2]))
            if cursor == b"0":
                return [_text(key) for key in found]

    def _step(self, cursor: bytes, pattern: str) -> tuple[bytes, list[bytes]]:
        arguments = (1, self._keys.index, cursor, pattern, ENTRIES_PER_STEP)
        try:
            reply = self.client.evalsha(self._scan.sha, *arguments)
        except NoScriptError:
            self.client.script_load(self._scan.text)
            reply = self.client.evalsha(self._scan.sha, *arguments)
        return cast(tuple[bytes, list[bytes]], reply)


def _flush_reply(reply: list[Any]) -> FlushReply:
    status, epoch, fence, known, skipped, *series = reply
    names = [_text(item) for item in skipped]
    folded, removed, missing = (tuple(map(_text, keys)) for keys in series)
    return FlushReply(
        status=status.decode(),
        epoch=epoch.decode(errors="replace"),
        fence=int(fence) if fence else None,
        known=bool(known),
        skipped=dict(zip(names[::2], names[1::2], strict=True)),
        folded=folded,
        removed=removed,
        missing=missing,
    )


def _text(key: bytes) -> str:
    return key.decode(errors=FOREIGN)
