"""Batch: what the flush thread sends, frozen and numbered until Redis acknowledges it.

A batch is sent again, byte for byte and under the same number, until an answer comes; `lua/flush.lua` applies a
number at most once. So a value is never counted twice, and none is lost while its process lives.
"""

import json
import os
import secrets
import socket
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

SERIES_PER_BATCH = 256
# The fence outlives the series by far: it must be there when a writer comes back that was cut off for hours
# and does not know whether its last batch arrived.
FENCE_TTL_MS = 24 * 3600 * 1000


@dataclass(frozen=True)
class Batch:
    """One numbered call of `flush.lua`, independent of what is recorded after it was built."""

    writer: str
    number: int
    ttl_ms: int
    keys: tuple[str, ...]
    operations: tuple[str, ...]
    metadata: str

    def arguments(self, oldest: int) -> tuple[str | int, ...]:
        """Return ARGV as the header of `flush.lua` lists it."""
        epoch, fence_ttl = secrets.token_hex(8), max(self.ttl_ms, FENCE_TTL_MS)
        return (
            self.number,
            oldest,
            self.ttl_ms,
            fence_ttl,
            epoch,
            self.writer,
            self.metadata,
            *self.operations,
        )


class Outbox:
    """The batches that Redis has not acknowledged, oldest first, and the name and number under which they go.

    Belongs to the flush thread; nothing here is locked.
    """

    def __init__(self, ttl: float) -> None:
        self._ttl_ms = round(ttl * 1000)
        self._batches: deque[Batch] = deque()
        self._rename()

    def __len__(self) -> int:
        return len(self._batches)

    @property
    def pending_series(self) -> int:
        return sum(len(batch.keys) for batch in self._batches)

    def add(self, operations: Iterable[tuple[str, str]], metadata: Mapping[str, Any]) -> None:
        """Freeze `operations` (key, operation) into batches; `metadata` goes with the first of them."""
        entries = iter(operations)
        while chunk := list(islice(entries, SERIES_PER_BATCH)):
            keys, texts = zip(*chunk, strict=True)
            self._batches.append(Batch(self.writer, self._next, self._ttl_ms, keys, texts, _json(metadata)))
            self._next += 1
            metadata = {}

    def oldest(self, most: int) -> list[Batch]:
        """Return the oldest `most` batches, to send in this order."""
        return list(islice(self._batches, most))

    def acknowledge(self) -> Batch:
        """The oldest batch is in Redis: forget it."""
        return self._batches.popleft()

    def start_over(self, fence: int) -> int:
        """The server came back with an older state: go on under a new name. Return how many batches it forgot.

        Safe, because a fence below the last acknowledged number proves that nothing waiting here was applied.
        """
        forgotten = self._batches[0].number - 1 - fence
        waiting = list(self._batches)
        self._rename()
        self._batches = deque(self._renumbered(waiting))
        return forgotten

    def _renumbered(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        for batch in batches:
            yield replace(batch, writer=self.writer, number=self._next)
            self._next += 1

    def _rename(self) -> None:
        self.writer = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._next = 1


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
