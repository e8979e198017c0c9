"""One way to reach Redis: bounded in time, without hidden retries, and never showing a password."""

import os
import re
from urllib.parse import urlsplit, urlunsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from labkit.errors import ConnectionFailed

DEFAULT_URL = "redis://127.0.0.1:6379/0"
_PASSWORD_OPTION = re.compile(r"((?:^|&)[a-z_]*password=)[^&]*")


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
    except ValueError:
        # Its own message may quote a part of the password.
        raise ConnectionFailed(
            f"{redact(url)!r} is no Redis URL; one looks like {DEFAULT_URL!r}, with redis, rediss or unix in front."
        ) from None


def redact(url: str) -> str:
    """Return `url` with its passwords hidden, fit for logs and errors."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(unreadable URL)"
    if "@" in f"{parts.path}{parts.query}{parts.fragment}":
        # The password has a character that ends the host, and where it ends itself nobody can tell.
        return f"{parts.scheme}://***"
    user, at, host = parts.netloc.rpartition("@")
    if ":" in user:
        user = f"{user.partition(':')[0]}:***"
    query = _PASSWORD_OPTION.sub(r"\1***", parts.query)
    return urlunsplit(parts._replace(netloc=f"{user}{at}{host}", query=query))


def _password(url: str) -> str | None:
    # from_url lets what the URL says win over what is passed beside it.
    return os.environ.get("LABKIT_REDIS_PASSWORD") if "://" in url else None
