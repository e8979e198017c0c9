"""Batch: what the flush thread sends, frozen and numbered until Redis acknowledges it.

A batch is sent again, byte for byte and under the same number, until an answer comes; `lua/flush.lua` applies a
number at most once. So a value is never counted twice, and none is lost while its process lives.
"""

import json
import os
import secrets
import socket
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from labkit.keyspace.keys import encode
from labkit.writer.options import WriterOptions

# What one call of the script takes, to hold the server for a millisecond or two; a longer operation goes alone.
SERIES_PER_BATCH, BYTES_PER_BATCH = 64, 48 * 1024
# The key of a series, its operation, and how many records are in it.
Change = tuple[str, str, int]
# How the operations begin for which the script needs the keys of the gauge's writers, too.
_SHARED = ('["shared"', '["remove","shared"')
# The fence far outlives the series: it must still be there when a writer comes back that was cut off for hours
# and does not know whether its last batch arrived.
FENCE_TTL_MS = 24 * 3600 * 1000


@dataclass(frozen=True)
class Batch:
    """One numbered call of `flush.lua`, independent of what is recorded after it was built."""

    writer: str
    # The name of its entries in shared gauges, which stays the same when the writer is renamed.
    entry: str
    number: int
    ttl_ms: int
    lease_ms: int
    keys: tuple[str, ...]
    operations: str
    # How many records went into each operation.
    records: tuple[int, ...]
    metadata: str
    # Those of the keys that are gauges shared by several writers.
    shared: tuple[str, ...] = ()

    def arguments(self, oldest: int) -> tuple[str | int, ...]:
        """Return ARGV as the header of `flush.lua` lists it."""
        epoch, fence_ttl = secrets.token_hex(8), max(self.ttl_ms, FENCE_TTL_MS)
        times = (self.ttl_ms, fence_ttl, self.lease_ms)
        return (self.number, oldest, self.writer, *times, epoch, self.entry, self.metadata, self.operations)


class Outbox:
    """The batches that Redis has not acknowledged, oldest first, and the name and number under which they go.

    Belongs to the flush thread; nothing here is locked. Others may count what is in it.
    """

    def __init__(self, options: WriterOptions) -> None:
        # The durations of new batches; those that wait keep theirs.
        self.options = options
        self._batches: deque[Batch] = deque()
        # Under the number `next` goes the next batch: the server can have applied none from there on.
        self.writer, self.next = _new_id(), 1
        self._entry = self.writer

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        """Iterate over the batches, oldest first. A copy: another thread may be asking for stats."""
        return iter(list(self._batches))

    @property
    def series(self) -> int:
        return sum(len(batch.keys) for batch in self)

    @property
    def records(self) -> int:
        return sum(sum(batch.records) for batch in self)

    @property
    def first(self) -> Batch:
        """The oldest batch; only if there is one."""
        return self._batches[0]

    def add(self, changes: Sequence[Change], metadata: Mapping[str, Any]) -> Batch:
        """Freeze `changes`, each to a different series, into one batch; `metadata` goes with them."""
        keys, operations, records = zip(*changes, strict=True)
        text = f"[{','.join(operations)}]"
        described = json.dumps(metadata, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        shared = tuple(key for key, operation, _ in changes if operation.startswith(_SHARED))
        times = (round(self.options.ttl * 1000), round(self.options.effective_lease * 1000))
        batch = Batch(self.writer, self._entry, self.next, *times, keys, text, records, described, shared)
        following = self.next + 1
        # The last that can fail.
        self._batches.append(batch)
        self.next = following
        return batch

    def acknowledge(self) -> Batch:
        """The oldest batch is in Redis, or never will be: forget it."""
        return self._batches.popleft()

    def start_over(self) -> None:
        """Continue under a new name; only if the server has proved that it applied nothing of what waits here."""
        writer = _new_id()
        waiting = deque(replace(batch, writer=writer, number=n) for n, batch in enumerate(self._batches, 1))
        self.writer, self._batches, self.next = writer, waiting, len(waiting) + 1


def _new_id() -> str:
    # The random bits alone make it unique: in containers, all hosts and pids may be alike.
    return f"{_host()}-{os.getpid()}-{secrets.token_hex(16)}"


def _host() -> str:
    """Return the name of this host as text that can be sent, whatever bytes it is made of."""
    return encode(os.fsencode(socket.gethostname()).decode(errors="replace"))
