"""Batch: what the flush thread sends, frozen and numbered until Redis acknowledges it.

A batch is sent again, byte for byte and under the same number, until an answer comes; `lua/flush.lua` applies a
number at most once. So a value is never counted twice, and none is lost while its process lives.
"""

import json
import os
import secrets
import socket
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from labkit.writer.timing import Timing

SERIES_PER_BATCH = 64
# The key of a series, its operation, and how many records are in it.
Change = tuple[str, str, int]
# The fence far outlives the series: it must still be there when a writer comes back that was cut off for hours
# and does not know whether its last batch arrived.
FENCE_TTL_MS = 24 * 3600 * 1000


@dataclass(frozen=True)
class Batch:
    """One numbered call of `flush.lua`, independent of what is recorded after it was built."""

    writer: str
    # The name of its entries in shared gauges, which stays the same when the writer is renamed.
    owner: str
    number: int
    ttl_ms: int
    lease_ms: int
    keys: tuple[str, ...]
    operations: str
    # How many records went into each operation.
    records: tuple[int, ...]
    metadata: str

    def arguments(self, oldest: int) -> tuple[str | int, ...]:
        """Return ARGV as the header of `flush.lua` lists it."""
        epoch, fence_ttl = secrets.token_hex(8), max(self.ttl_ms, FENCE_TTL_MS)
        times = (self.ttl_ms, fence_ttl, self.lease_ms)
        return (self.number, oldest, *times, epoch, self.owner, self.metadata, self.operations)


class Outbox:
    """The batches that Redis has not acknowledged, oldest first, and the name and number under which they go.

    Belongs to the flush thread; nothing here is locked. Others may count what is in it.
    """

    def __init__(self, timing: Timing) -> None:
        self.retime(timing)
        self._batches: deque[Batch] = deque()
        self._rename()
        self._owner = self.writer

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
    def oldest(self) -> int:
        """The number of the oldest batch; only if there is one."""
        return self._batches[0].number

    def retime(self, timing: Timing) -> None:
        """Give new batches these durations; those that wait keep theirs."""
        self._ttl_ms, self._lease_ms = round(timing.ttl * 1000), round(timing.effective_lease * 1000)

    def add(self, changes: Sequence[Change], metadata: Mapping[str, Any]) -> Batch:
        """Freeze `changes`, each to a different series, into one batch; `metadata` goes with them."""
        keys, operations, records = zip(*changes, strict=True)
        text = f"[{','.join(operations)}]"
        times = (self._ttl_ms, self._lease_ms)
        batch = Batch(self.writer, self._owner, self._next, *times, keys, text, records, _json(metadata))
        self._batches.append(batch)
        self._next += 1
        return batch

    def acknowledge(self) -> Batch:
        """The oldest batch is in Redis: forget it."""
        return self._batches.popleft()

    def start_over(self, fence: int) -> int:
        """The server came back with an older state: continue under a new name. Return how many batches it forgot.

        Safe, because a fence below the last acknowledged number proves that nothing waiting here was applied.
        """
        forgotten = self.oldest - 1 - fence
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
