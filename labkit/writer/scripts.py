"""Lua: `flush.lua` behind one typed method. Nothing else sees its KEYS and ARGV; its header is the contract."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast

import redis
from redis.connection import Connection

from labkit.keys import Keys
from labkit.script import Script
from labkit.writer.batch import Batch


@dataclass(frozen=True)
class FlushReply:
    """What `flush.lua` replied to one batch.

    `fence` is the number of the last batch applied, None if there is none; `known` says whether there was one before.
    """

    status: Literal["applied", "duplicate", "gap"]
    epoch: str
    fence: int | None
    known: bool
    skipped: dict[str, str]
    folded: tuple[str, ...]
    removed: tuple[str, ...]


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
        keys = self._keys
        names = (keys.state, keys.index, keys.meta, keys.removed, keys.writer(batch.writer), *batch.keys)
        command = ("EVALSHA", self._sha, len(names), *names, *batch.arguments(oldest))
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
    """What a writer may call: `flush.lua`."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client, self._keys = client, keys
        self._flush = Script("flush.lua")

    @contextmanager
    def stream(self) -> Iterator[FlushStream]:
        """Connect, to send batches one after another.

        Raises:
            redis.RedisError, OSError: Redis is away.
        """
        pool = self._client.connection_pool
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
        self._client.script_load(self._flush.text)

    def keys_like(self, pattern: str) -> list[str]:
        """Return the series keys in the index that match, in small steps."""
        found = self._client.zscan_iter(self._keys.index, match=pattern, count=1000)
        return [key.decode() for key, _ in found]


def _flush_reply(reply: list[Any]) -> FlushReply:
    status, epoch, fence, known, skipped, folded, removed = reply
    names = [item.decode() for item in skipped]
    return FlushReply(
        status=status.decode(),
        epoch=epoch.decode(errors="replace"),
        fence=int(fence) if fence else None,
        known=bool(known),
        skipped=dict(zip(names[::2], names[1::2], strict=True)),
        folded=tuple(key.decode() for key in folded),
        removed=tuple(key.decode() for key in removed),
    )
