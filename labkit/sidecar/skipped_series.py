"""Exposition: the series that cannot be on the page, and why; the log names each once."""

import logging
from collections import Counter
from collections.abc import Iterator
from math import inf

log = logging.getLogger("labkit")

LOG_EVERY, NAMED_AT_ONCE = 60.0, 10


class SkippedSeries:
    """Keys and reasons. Not thread-safe."""

    def __init__(self) -> None:
        # With what identifies the JSON of a series; None if it has none.
        self._skipped: dict[bytes, tuple[str, int | None]] = {}
        # Those that the log has not named yet.
        self._unnamed: dict[bytes, str] = {}
        self._logged_at = -inf

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._skipped)

    def digest(self, key: bytes) -> int | None:
        """Return what identifies the JSON of a skipped series; None if nothing does."""
        return self._skipped.get(key, ("", None))[1]

    def reason(self, key: bytes, digest: int) -> str:
        """Return why a series is skipped, if that is known of just this JSON: nothing is judged twice."""
        reason, known = self._skipped.get(key, ("", None))
        return reason if known == digest else ""

    def put(self, key: bytes, reason: str, digest: int | None) -> None:
        """Note why a series is skipped, and the digest of its JSON, if it has any."""
        if self._skipped.get(key, ("", None))[0] != reason:
            self._unnamed[key] = reason
        self._skipped[key] = reason, digest

    def drop(self, key: bytes) -> None:
        """Note that a series can be read, or is gone."""
        if self._skipped.pop(key, None):
            self._unnamed.pop(key, None)

    def clear(self) -> None:
        """Forget all of them, but not when the log was last written."""
        self._skipped.clear()
        self._unnamed.clear()

    def by_reason(self) -> Counter[str]:
        return Counter(reason for reason, _ in self._skipped.values())

    def log_new(self, now: float) -> None:
        """Name those that came since the last time in one line of the log, at most once a minute."""
        if not self._unnamed or now < self._logged_at + LOG_EVERY:
            return
        named = sorted(self._unnamed)[:NAMED_AT_ONCE]
        keys = ", ".join(f"{key.decode(errors='backslashreplace')!r} ({self._unnamed[key]})" for key in named)
        more = len(self._unnamed) - len(named)
        log.warning("Left out, because it cannot be read: %s%s", keys, f", and {more} more." if more else ".")
        self._unnamed.clear()
        self._logged_at = now
