"""Batch to Redis: send batches until each is acknowledged, whatever happens on the way.

docs/protocol.md says why nothing is lost and nothing is counted twice.
"""

import logging
from collections import Counter as Totals
from collections.abc import Iterator, Mapping
from itertools import chain

from redis.exceptions import NoScriptError, ResponseError

from labkit.writer.batch import Batch, Outbox
from labkit.writer.registry import Registry
from labkit.writer.scripts import FlushReply, FlushStream, WriteScripts
from labkit.writer.telemetry import Telemetry

log = logging.getLogger("labkit")

# Enough to keep the server busy while the next batch is made.
IN_FLIGHT = 32
ATTEMPTS = 5


class Delivery:
    """Sends one outbox; `where` is the server as logs may show it. Belongs to the flush thread."""

    def __init__(
        self, outbox: Outbox, scripts: WriteScripts, registry: Registry, telemetry: Telemetry, where: str
    ) -> None:
        self.outbox, self.where = outbox, where
        self._scripts, self._registry, self._telemetry = scripts, registry, telemetry
        self._epoch = ""
        # Up to this number, under our current name, batches have been counted as forgotten.
        self._forgotten = 0
        # From this number on, batches know that all series are written again.
        self._again_from = 1

    def deliver(self, fresh: Iterator[Batch]) -> None:
        """Send the outbox, and what `fresh` adds to it, until all of it is acknowledged.

        Raises:
            RedisError, OSError: Redis is away or refuses; the rest stays in the outbox, or in `fresh`.
        """
        for _ in range(ATTEMPTS):
            try:
                if self._send(fresh):
                    return
            except NoScriptError:
                self._scripts.load()
        raise ResponseError("it keeps forgetting scripts or batches; do several servers share its address?")

    def keys_like(self, pattern: str) -> list[str]:
        """Return the keys of series in Redis that match; the same errors as `deliver`."""
        return self._scripts.keys_like(pattern)

    def _send(self, fresh: Iterator[Batch]) -> bool:
        """Return whether all is acknowledged; if not, the server is missing a batch, and needs the outbox again."""
        # What waits was not taken before: its oldest finds out whether it is now, ahead of the rest.
        window = 1 if self.outbox else IN_FLIGHT
        with self._scripts.stream() as stream:
            for batch in chain(self.outbox, fresh):
                stream.send(batch, self.outbox.oldest)
                if stream.in_flight == window and not self._receive(stream):
                    return False
                window = IN_FLIGHT
            while stream.in_flight:
                if not self._receive(stream):
                    return False
        return True

    def _receive(self, stream: FlushStream) -> bool:
        reply = stream.receive()
        if reply.status == "gap":
            self._close_gap(reply)
        elif reply.status == "rejected":
            self._set_aside()
        elif reply.fence is not None and reply.fence >= self.outbox.next:
            # Somebody else's: it says nothing about our batches.
            log.warning("%s holds a fence of this writer that it never sent; it takes a new id.", self.where)
            self._start_over()
        else:
            self._acknowledge(reply)
            return True
        return False

    def _acknowledge(self, reply: FlushReply) -> None:
        batch = self.outbox.first
        skipped = {key: records for key, records in zip(batch.keys, batch.records, strict=True) if key in reply.skipped}
        self._settle(batch, skipped, reply.skipped)
        self._telemetry.batch("duplicate" if reply.status == "duplicate" else "applied")
        for key, reason in reply.skipped.items():
            if reason == "shared":
                # As soon as those end who share it in another way, it is ours.
                self._registry.hurry(key)
        self._telemetry.fold_histograms(len(reply.folded))
        self._let_rest(reply.removed)
        if batch.number > 1 and not reply.known:
            self._was_forgotten(batch.number - 1 - self._forgotten)
            self._forgotten = batch.number - 1
        if reply.epoch != self._epoch:
            self._meet(reply.epoch)
        if reply.missing:
            self._were_missing(len(reply.missing), batch.number < self._again_from)

    def _settle(self, batch: Batch, skipped: Mapping[str, int], reasons: Mapping[str, str]) -> None:
        """Account for the records of the oldest batch, of which some were skipped, and forget it."""
        dropped = Totals[str]()
        for key, records in skipped.items():
            dropped[reasons[key]] += records
        written = sum(batch.records) - dropped.total()
        self._telemetry.settle(written, dropped, self.outbox.acknowledge)
        self._telemetry.tell_written(written)
        for key, records in skipped.items():
            self._telemetry.tell_dropped(key, reasons[key], records)

    def _close_gap(self, reply: FlushReply) -> None:
        # Without a fence, the server has lost all it knew about us: what waits is sent again, and applied.
        if reply.fence is not None:
            # A fence below what was acknowledged proves that nothing waiting here was applied.
            forgotten = self.outbox.oldest - 1 - reply.fence
            self._start_over()
            self._was_forgotten(forgotten)

    def _set_aside(self) -> None:
        """Drop the oldest batch: the server can never take it. Those behind it go under a new name."""
        batch = self.outbox.first
        self._settle(batch, dict(zip(batch.keys, batch.records, strict=True)), dict.fromkeys(batch.keys, "rejected"))
        self._telemetry.batch("rejected")
        self._start_over()

    def _start_over(self) -> None:
        self.outbox.start_over()
        self._forgotten, self._again_from = 0, 1

    def _was_forgotten(self, batches: int) -> None:
        # Lost with the batches: the series that were new in them, and the metadata of their metrics.
        self._telemetry.batch("forgotten", batches)
        log.warning("%s came back with an older state and forgot %d batches.", self.where, batches)
        self._write_all_again()

    def _let_rest(self, removed: tuple[str, ...]) -> None:
        # What was recorded since may be in a batch that waits, and brings the series back.
        waiting = {key for batch in self.outbox for key in batch.keys} if removed else ()
        for key in removed:
            if key not in waiting:
                self._registry.let_rest(key)

    def _were_missing(self, series: int, noticed: bool) -> None:
        self._telemetry.miss(series)
        if noticed:
            return
        log.warning(
            "%s lacked %d series that it should have held: expired early, evicted or deleted. All are written again.",
            self.where,
            series,
        )
        self._write_all_again()

    def _meet(self, epoch: str) -> None:
        """Note a server that is new to us, or has lost its data: it needs all series and their metadata."""
        if self._epoch:
            log.warning("%s has lost its data; all series are written again.", self.where)
            self._write_all_again()
        self._epoch = epoch

    def _write_all_again(self) -> None:
        self._registry.write_all_again()
        self._again_from = self.outbox.next
