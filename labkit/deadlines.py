"""When each key is due, with at most one place in the queue for a key however often its time moves."""

import heapq
from math import inf


class Deadlines:
    """Keys and their times, in seconds of any one clock."""

    def __init__(self) -> None:
        self._at: dict[bytes, float] = {}
        self._queue: list[tuple[float, bytes]] = []
        self._queued_at: dict[bytes, float] = {}

    def __len__(self) -> int:
        return len(self._queue)

    def set(self, key: bytes, at: float) -> None:
        """Move the time of `key` to `at`."""
        self._at[key] = at
        # A later time waits until the earlier one comes up: most are moved on again long before.
        if at < self._queued_at.get(key, inf):
            heapq.heappush(self._queue, (at, key))
            self._queued_at[key] = at

    def drop(self, key: bytes) -> None:
        self._at.pop(key, None)

    def pop_due(self, now: float) -> list[bytes]:
        """Return the keys whose time has come, and forget their times."""
        due = []
        while self._queue and self._queue[0][0] <= now:
            queued, key = heapq.heappop(self._queue)
            if self._queued_at.get(key) != queued:
                continue
            del self._queued_at[key]
            at = self._at.get(key, inf)
            if at <= now:
                del self._at[key]
                due.append(key)
            elif at < inf:
                self.set(key, at)
        return due
