"""Exposition: the series that cannot be on the page, and why; the log names each once."""

import logging
from collections import Counter
from collections.abc import Iterator
from math import inf

log = logging.getLogger("labkit")

COMPLAIN_EVERY, NAMED_AT_ONCE = 60.0, 10


class Unreadable:
    """Keys and reasons. Not thread-safe."""

    def __init__(self) -> None:
        self._reasons: dict[bytes, str] = {}
        self._digests: dict[bytes, int] = {}
        # Those that the log has not named yet.
        self._unnamed: dict[bytes, str] = {}
        self._complained_at = -inf

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._reasons)

    def digest(self, key: bytes) -> int | None:
        """Return what identifies the JSON of a series that cannot be read, to judge none twice; None if unknown."""
        return self._digests.get(key)

    def note(self, key: bytes, reason: str, digest: int | None = None) -> None:
        """Note why a series cannot be read, and the digest of its JSON; without a reason, it can."""
        self._digests.pop(key, None)
        if not reason:
            self._reasons.pop(key, None)
            self._unnamed.pop(key, None)
            return
        if digest is not None:
            self._digests[key] = digest
        if self._reasons.get(key) != reason:
            self._reasons[key] = self._unnamed[key] = reason

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
