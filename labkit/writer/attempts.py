"""Batch: when the next attempt to flush is due: after the flush interval, a back-off, or soon after a return."""

import random
import ssl
from collections.abc import Callable
from time import monotonic

import redis
from redis.exceptions import ClusterDownError, OutOfMemoryError, ReadOnlyError

from labkit.writer.backoff import CEILING, next_backoff, next_return
from labkit.writer.probe import RHYTHM, Probe

# What the server says, and not its absence: to ask whether it lives would tell nothing new.
_SAID = (redis.AuthenticationError, redis.exceptions.AuthorizationError, ssl.SSLCertVerificationError)
_ABSENT = (redis.ConnectionError, redis.TimeoutError, OSError)
# What a server says of its own state, MASTERDOWN included, and what redis-py has no classes for. It logs none of these,
# unlike a user's missing right or wrong password.
_STATE = (OutOfMemoryError, ReadOnlyError, ClusterDownError)
_STATE_CODES = ("MISCONF ", "BUSY ", "NOREPLICAS ")


class Attempts:
    """Counts what failed, and decides when to try again. Belongs to the flush thread; others may read it.

    All durations are in seconds; `due_at` is by `clock`. The server is `away` if the last attempt did not reach it, and
    it has not answered since.
    """

    def __init__(self, probe: Probe, interval: float, clock: Callable[[], float] = monotonic) -> None:
        self._probe, self._clock = probe, clock
        self.due_at = clock() + interval
        self.failures, self.last_error = 0, ""
        self.away, self._returns = False, 0

    @property
    def next_in(self) -> float:
        """How long until the server hears of this writer again: a flush, or the question whether it is back."""
        at = min(self.due_at, self._probe.asks_at) if self.away else self.due_at
        return max(0.0, at - self._clock())

    def succeeded(self, interval: float) -> float:
        """Note that everything was acknowledged; return the time until the next attempt."""
        self._set_away(False)
        self.failures, self.last_error, self._returns = 0, "", 0
        return self._wait(interval)

    def failed(self, error: Exception, interval: float) -> float:
        """Note what went wrong; return the time until the next attempt, if the server is not back before."""
        self.failures += 1
        self.last_error = _words(error)
        self._set_away(isinstance(error, _ABSENT) and not _is_told(error))
        # A refused attempt is one batch that is not applied: it costs the server less than the flush of that interval.
        ceiling = min(CEILING, max(RHYTHM, interval)) if _is_state(error) else CEILING
        wait = next_backoff(self.failures, min(0.5, interval), random.random(), ceiling)  # noqa: S311  no secret
        return self._wait(wait)

    def look(self, interval: float) -> None:
        """Ask an absent server whether it is back; if it is, the next attempt is due soon."""
        if self.away and self._probe.is_answered():
            self._set_away(False)
            self._returns += 1
            soon = next_return(self._returns, min(RHYTHM, interval), random.random())  # noqa: S311  no secret
            self.due_at = min(self.due_at, self._clock() + soon)

    def _wait(self, seconds: float) -> float:
        self.due_at = self._clock() + seconds
        return seconds

    def _set_away(self, away: bool) -> None:
        self.away = away
        self._probe.rest()


def _words(error: Exception) -> str:
    # What nobody expects says little without its class: KeyError('x') is "'x'".
    expected = isinstance(error, (redis.RedisError, OSError))
    return (expected and str(error).rstrip(".")) or repr(error)


def _is_state(error: Exception) -> bool:
    return isinstance(error, _STATE) or (isinstance(error, redis.ResponseError) and str(error).startswith(_STATE_CODES))


def _is_told(error: Exception) -> bool:
    # What TLS objects to comes inside an error of the connection.
    return isinstance(error, _SAID) or isinstance(error.__context__, _SAID)
