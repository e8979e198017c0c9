"""Batch: ask a server that is away whether it is back, about once a second, and never wait for the answer.

A batch that is sent in vain costs two seconds, so attempts become rare. A question is one PING, and a server that was
paused finds a few of them in its queue when it goes on, however long that took.
"""

import random
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

import redis
from redis.connection import Connection
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from labkit.keyspace.connection import Endpoint

# The longest time between two questions, and for a connection to be made, s.
RHYTHM = 1.0
# So many without an answer, and the next goes over a connection of its own: the way itself may be gone.
QUESTIONS = 4


class Probe:
    """Asks the server at the other end of `client`, which `questioner` made. Belongs to the flush thread."""

    def __init__(self, client: redis.Redis, clock: Callable[[], float] = monotonic) -> None:
        self.client, self._clock = client, clock
        self._connection: Connection | None = None
        self._unanswered, self.asks_at = 0, clock()

    def is_answered(self) -> bool:
        """Return whether an answer has come to a question; ask the next one when it is time to."""
        try:
            if self._connection and self._connection.can_read():
                return self._is_welcome(self._connection)
            if self._clock() >= self.asks_at:
                self._ask()
        except (RedisError, OSError):
            # Still away, or it does not serve anybody yet: LOADING, BUSY, MASTERDOWN, MISCONF.
            self.rest()
        return False

    def rest(self) -> None:
        """Forget what was asked."""
        if self._connection:
            self._connection.disconnect()
            self.client.connection_pool.release(self._connection)
        self._connection, self._unanswered = None, 0

    def _ask(self) -> None:
        # Set first: making a connection may fail. Never two writers in step.
        self.asks_at = self._clock() + RHYTHM * (1 - random.random() / 2)  # noqa: S311  no secret
        if self._unanswered == QUESTIONS:
            self.rest()
        self._connection = self._connection or self.client.connection_pool.get_connection()
        self._connection.send_packed_command(self._connection.pack_command("PING"))
        self._unanswered += 1

    def _is_welcome(self, connection: Connection) -> bool:
        # The question bears no name; who asks for one answers.
        with suppress(AuthenticationError, NoPermissionError):
            connection.read_response()
        return True


def questioner(endpoint: Endpoint) -> redis.Redis:
    """Return a client whose connections send nothing by themselves: a greeting would wait for its answer."""
    client = endpoint.client()
    options = client.connection_pool.connection_kwargs
    for name in ("socket_timeout", "socket_connect_timeout"):
        options[name] = min(options.get(name) or RHYTHM, RHYTHM)
    options["redis_connect_func"] = _prepare
    return client


def _prepare(connection: Connection) -> None:
    connection._parser.on_connect(connection)
