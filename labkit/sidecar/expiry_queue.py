"""When each key is due, to the second, with one place in the queue per key however often its time moves on."""

import heapq
from math import ceil, inf


class ExpiryQueue:
    """Keys and their times, in seconds on any one clock; each is due up to a second late.

    Whole seconds, because the keys of one second then share a place: for a hundred thousand of them, an object each
    costs more than the times themselves.
    """

    def __init__(self) -> None:
        self._at: dict[bytes, int] = {}
        self._due: dict[int, list[bytes]] = {}
        self._seconds: list[int] = []

    def __len__(self) -> int:
        return sum(map(len, self._due.values()))

    def set(self, key: bytes, at: float) -> None:
        """Move the time of `key` to `at`."""
        second, before = ceil(at), self._at.get(key, inf)
        self._at[key] = second
        # A later time waits until the earlier one comes up: most are moved on again long before that.
        if second < before:
            self._queue(key, second)

    def drop(self, key: bytes) -> None:
        self._at.pop(key, None)

    def pop_due(self, now: float) -> list[bytes]:
        """Return the keys whose time has come, and forget their times."""
        due = []
        while self._seconds and self._seconds[0] <= now:
            # An earlier time leaves a second place behind, which ends here.
            for key in dict.fromkeys(self._due.pop(heapq.heappop(self._seconds))):
                at = self._at.get(key)
                if at is None:
                    continue
                if at <= now:
                    del self._at[key]
                    due.append(key)
                else:
                    self._queue(key, at)
        return due

    def _queue(self, key: bytes, second: int) -> None:
        if second not in self._due:
            self._due[second] = []
            heapq.heappush(self._seconds, second)
        self._due[second].append(key)
