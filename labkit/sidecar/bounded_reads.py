"""How long the sidecar waits for Redis: for each sign of life, and for all that is read together."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from math import inf
from threading import Event
from time import monotonic

import redis
from redis._parsers import _HiredisParser

from labkit.keyspace.connection import connect

# Less than the timeout of a scrape every second: a Redis that hangs must show as redis_up 0, not as a dead sidecar.
REDIS_TIMEOUT = 0.7

_ends_at: ContextVar[float] = ContextVar("ends_at", default=inf)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let everything that is read from Redis inside end in this time, however slowly it comes."""
    token = _ends_at.set(min(_ends_at.get(), monotonic() + seconds))
    try:
        yield
    finally:
        _ends_at.reset(token)


def bounded_client(url: str, over: Event | None = None) -> redis.Redis:
    """Return a client that waits `REDIS_TIMEOUT` for the next byte, whatever the URL says, and keeps to `within`.

    Once `over` is set, it reads no further.

    Raises:
        ConnectionFailed: the URL is malformed.
    """
    client = connect(url, timeout=REDIS_TIMEOUT)
    options = client.connection_pool.connection_kwargs
    for name in ("socket_timeout", "socket_connect_timeout"):
        options[name] = min(options.get(name) or REDIS_TIMEOUT, REDIS_TIMEOUT)
    options["parser_class"] = partial(_Bounded, over or Event())
    return client


def run_id_of(client: redis.Redis) -> str:
    """Return what identifies the server's process; the first command of every reading."""
    try:
        return str(client.info("server")["run_id"])
    except redis.ConnectionError:
        # Between two readings, a balancer resets connections that look idle: that is no outage yet.
        client.connection_pool.disconnect(inuse_connections=False)
        return str(client.info("server")["run_id"])


class _Bounded(_HiredisParser):
    """A socket's timeout starts anew with every byte: here the rest of the whole time counts, too."""

    def __init__(self, over: Event, socket_read_size: int) -> None:
        super().__init__(socket_read_size)  # type: ignore[no-untyped-call]  # redis-py's
        self._over = over

    def read_from_socket(self, timeout: object = None, raise_on_timeout: bool = True) -> bool:  # noqa: ARG002
        left = _ends_at.get() - monotonic()
        if left <= 0 or self._over.is_set():
            raise redis.TimeoutError("what Redis holds could not be read in time")
        read: Callable[[float, bool], bool] = super().read_from_socket
        return read(min(left, self._socket_timeout), raise_on_timeout)


def cause(error: Exception) -> str:
    """Say what went wrong, as the end of a sentence: of TLS, the server may just not speak it."""
    below = error.__context__
    if isinstance(below, TimeoutError) and "handshake" in str(below):
        return "the server does not answer to TLS; perhaps it speaks none at this port"
    return str(error).rstrip(".")
