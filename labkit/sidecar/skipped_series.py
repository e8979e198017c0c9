"""Exposition: the series that cannot be on the page, and why; the log names each once."""

import logging
from collections import Counter
from collections.abc import Iterator
from math import inf

log = logging.getLogger("labkit")

COMPLAIN_EVERY, NAMED_AT_ONCE = 60.0, 10


class SkippedSeries:
    """Keys and reasons. Not thread-safe."""

    def __init__(self) -> None:
        self._reasons: dict[bytes, str] = {}
        self._digests: dict[bytes, int | None] = {}
        # Those that the log has not named yet.
        self._unnamed: dict[bytes, str] = {}
        self._complained_at = -inf

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._reasons)

    def digest(self, key: bytes) -> int | None:
        """Return what identifies the JSON of a series that cannot be read; None if nothing does."""
        return self._digests.get(key)

    def reason(self, key: bytes, digest: int) -> str:
        """Return why a series cannot be read, if that is known of just this JSON: nothing is judged twice."""
        return self._reasons[key] if self._digests.get(key) == digest else ""

    def note(self, key: bytes, reason: str, digest: int | None) -> None:
        """Note why a series cannot be read, and the digest of its JSON, if it has any."""
        self._digests[key] = digest
        if self._reasons.get(key) != reason:
            self._reasons[key] = self._unnamed[key] = reason

    def drop(self, key: bytes) -> None:
        """Note that a series can be read, or is gone."""
        if key in self._reasons:
            del self._reasons[key], self._digests[key]
            self._unnamed.pop(key, None)

    def clear(self) -> None:
        """Forget all of them, but not when the log was last written."""
        self._reasons.clear()
        self._digests.clear()
        self._unnamed.clear()

    def by_reason(self) -> Counter[str]:
        return Counter(self._reasons.values())

    def complain(self, now: float) -> None:
        """Name those that have become unreadable in one line of the log, at most once a minute."""
        if not self._unnamed or now < self._complained_at + COMPLAIN_EVERY:
            return
        named = sorted(self._unnamed)[:NAMED_AT_ONCE]
        keys = ", ".join(f"{key.decode(errors='backslashreplace')!r} ({self._unnamed[key]})" for key in named)
        more = len(self._unnamed) - len(named)
        log.warning("Left out, because it cannot be read: %s%s", keys, f", and {more} more." if more else ".")
        self._unnamed.clear()
        self._complained_at = now
