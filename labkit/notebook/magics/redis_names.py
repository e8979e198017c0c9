"""The commands and keys that a Redis knows, quickly: no wait is long, and one that does not answer is left alone."""

import re
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from labkit.notebook.magics.deadline import Deadline
from labkit.prometheus.metadata import PAUSE, TIMEOUT

if TYPE_CHECKING:
    from redis import Redis

# Keys that are offered, and keys that each step of a scan looks at: enough to read, quick enough to wait for.
_MOST, _LOOKED_AT = 200, 1000
_GLOB, _ESCAPED = r"[\\*?\[\]]", r"\\\g<0>"


class RedisNames:
    """What may be said to the Redis at `url`, and about what. No method raises; nothing found is an empty list."""

    def __init__(self, url: str, *, timeout: float = TIMEOUT) -> None:
        self._url, self._timeout = url, timeout
        self._away_until = 0.0
        self._commands: list[str] = []

    def commands(self) -> list[str]:
        """Return the names of all commands, in lower case."""
        self._commands = self._commands or self._asked(lambda client: client.execute_command("COMMAND LIST"))
        return sorted(self._commands)

    def keys(self, part: str) -> list[str]:
        """Return keys that have `part` in their name, in order; some of them, if there are very many."""
        pattern = f"*{re.sub(_GLOB, _ESCAPED, part)}*"
        return sorted(self._asked(lambda client: _scanned(client, pattern, self._timeout)))

    def _asked(self, ask: "Callable[[Redis], list[bytes]]") -> list[str]:
        import redis

        from labkit.keyspace.connection import connect

        def names() -> list[bytes]:
            with connect(self._url, timeout=self._timeout) as client:
                return ask(client)

        if monotonic() < self._away_until:
            return []
        try:
            return [name.decode(errors="replace") for name in Deadline(2 * self._timeout).run(names)]
        except (redis.RedisError, TimeoutError):
            self._away_until = monotonic() + PAUSE
            return []


def _scanned(client: "Redis", pattern: str, limit: float) -> list[bytes]:
    found, until = list[bytes](), monotonic() + limit
    for key in client.scan_iter(match=pattern, count=_LOOKED_AT):
        found.append(key)
        if len(found) >= _MOST or monotonic() > until:
            break
    return found
