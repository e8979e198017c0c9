"""Batch: when the next attempt to flush is due: after the flush interval, a back-off, or soon after a return."""

import random
from collections.abc import Callable
from time import monotonic

import redis

from labkit.writer.backoff import next_backoff, next_return
from labkit.writer.probe import RHYTHM, Probe

# What the server says, and not its absence: to ask whether it lives would tell nothing new.
_SAID = (redis.AuthenticationError, redis.exceptions.AuthorizationError)
_ABSENT = (redis.ConnectionError, redis.TimeoutError, OSError)


class Attempts:
    """Counts what failed, and decides when to try again. Belongs to the flush thread; others may read it.

    All durations are in seconds; `due_at` is by `clock`.
    """

    def __init__(self, probe: Probe, interval: float, clock: Callable[[], float] = monotonic) -> None:
        self._probe, self._clock = probe, clock
        self.due_at = clock() + interval
        self.failures, self.last_error = 0, ""
        self._away, self._returns = False, 0

    @property
    def next_in(self) -> float:
        """How long until the server hears of this writer again: a flush, or the question whether it is back."""
        at = min(self.due_at, self._probe.asks_at) if self._away else self.due_at
        return max(0.0, at - self._clock())

    def succeeded(self, interval: float) -> float:
        """Note that everything was acknowledged; return the time until the next attempt."""
        self._is_away(False)
        self.failures, self.last_error, self._returns = 0, "", 0
        return self._wait(interval)

    def failed(self, error: Exception, interval: float) -> float:
        """Note what went wrong; return the time until the next attempt, if the server is not back before."""
        self.failures += 1
        self.last_error = str(error).rstrip(".") or type(error).__name__
        self._is_away(isinstance(error, _ABSENT) and not isinstance(error, _SAID))
        return self._wait(next_backoff(self.failures, min(0.5, interval), random.random()))  # noqa: S311  no secret

    def look(self, interval: float) -> None:
        """Ask an absent server whether it is back; if it is, the next attempt is due soon."""
        if self._away and self._probe.is_answered():
            self._is_away(False)
            self._returns += 1
            soon = next_return(self._returns, min(RHYTHM, interval), random.random())  # noqa: S311  no secret
            self.due_at = min(self.due_at, self._clock() + soon)

    def _wait(self, seconds: float) -> float:
        self.due_at = self._clock() + seconds
        return seconds

    def _is_away(self, away: bool) -> None:
        self._away = away
        self._probe.rest()
