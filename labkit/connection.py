"""One way to reach Redis: bounded in time, without hidden retries, and never showing a password."""

import os
from urllib.parse import urlsplit, urlunsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from labkit.errors import ConnectionFailed

DEFAULT_URL = "redis://127.0.0.1:6379/0"


def connect(url: str, *, timeout: float = 2.0) -> redis.Redis:
    """Return a client for `url`; nothing is sent yet. `timeout` (s) bounds connecting and every reply.

    A password may stand in the URL or in the environment variable `LABKIT_REDIS_PASSWORD`.

    Raises:
        ConnectionFailed: the URL is malformed.
    """
    try:
        return redis.Redis.from_url(
            url,
            password=_password(url),
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            # Repeating a batch is the writer's decision, under its own number: never the client's.
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
        )
    except ValueError as error:
        raise ConnectionFailed(f"{redact(url)!r} is no Redis URL ({error}); one looks like {DEFAULT_URL!r}.") from None


def redact(url: str) -> str:
    """Return `url` with its password hidden, fit for logs and errors."""
    try:
        parts = urlsplit(url)
        if parts.password is None:
            return url
    except ValueError:
        return "(unreadable URL)"
    user_and_host = parts.netloc.replace(f":{parts.password}@", ":***@", 1)
    return urlunsplit(parts._replace(netloc=user_and_host))


def _password(url: str) -> str | None:
    # from_url lets what the URL says win over what is passed beside it.
    return os.environ.get("LABKIT_REDIS_PASSWORD") if "://" in url else None
