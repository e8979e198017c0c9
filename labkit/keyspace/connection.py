"""One way to reach Redis: bounded in time, without hidden retries, and never showing a password."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import new_class
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, unquote_plus, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry

from labkit.errors import ConnectionFailed
from labkit.keyspace.tls import TLS_OPTIONS, Tls, TlsConnection

DEFAULT_URL = "redis://127.0.0.1:6379/0"

_STARTS = ("redis://", "rediss://", "unix://")
_DATABASE, _SOCKET = re.compile(r"/?\d*/?"), re.compile(r"/.+")
_SECRET = {"password", "ssl_password"}
_PASSWORD = b"LABKIT_REDIS_PASSWORD"
# Options that cannot change how labkit reads a reply, or how often it sends a batch.
_PLAIN = {"db", "username", "password", "client_name", "socket_timeout", "socket_connect_timeout", "socket_keepalive"}
_LOOKS = f"one looks like {DEFAULT_URL!r}; the scheme is redis, rediss or unix; percent-encode signs in a password"


@dataclass(frozen=True)
class Endpoint:
    """Where Redis answers: a URL that was checked, with its certificates read.

    Clients can be made from it at any time, even in a forked child that may no longer read the files.
    """

    connection_class: type[redis.Connection]
    options: Mapping[str, Any]
    # The URL as logs may show it.
    shown: str

    def client(self) -> redis.Redis:
        """Return a client; nothing is sent yet."""
        return redis.Redis.from_pool(redis.ConnectionPool(self.connection_class, **self.options))


def endpoint(url: str, *, timeout: float = 2.0) -> Endpoint:
    """Check and parse `url`. `timeout` (s) bounds connecting and every reply.

    The password may be in the URL or in the environment variable `LABKIT_REDIS_PASSWORD`; the URL's takes precedence.
    With `rediss://`, the options `ssl_ca_certs`, `ssl_certfile` and `ssl_keyfile` name the certificates.

    Raises:
        ConnectionFailed: the URL is malformed, has an unknown option, or names a file that cannot be used.
    """
    url = _tidy(url)
    if objection := _objection(url):
        raise _refusal(url, objection)
    # Not by making a connection: it would stay behind as garbage, and what a signal's handler raises while the
    # interpreter collects that is lost.
    given = parse_url(url)
    tls = {name: given.pop(name) for name in TLS_OPTIONS & given.keys()}
    connection_class = given.pop("connection_class", redis.Connection)
    if connection_class is redis.SSLConnection:
        connection_class = TlsConnection
        try:
            given["tls"] = Tls(tls)
        except ValueError as error:
            raise _refusal(url, str(error)) from None
    return Endpoint(connection_class, _bounded(timeout) | given, redact(url))


def connect(url: str, *, timeout: float = 2.0) -> redis.Redis:
    """Return a client for `url`, as `endpoint` parses it; nothing is sent yet."""
    return endpoint(url, timeout=timeout).client()


def take_apart(client: redis.Redis) -> None:
    """Close `client`, and leave nothing of it that runs code.

    Its parts refer to each other, and have finalizers, which swallow exceptions: if the interpreter collected them in
    the main thread, a KeyboardInterrupt, or the SystemExit of a signal's handler, could be raised in one and be lost.
    The locks of the pool are not used: in a forked child, a thread that no longer exists may hold them.
    """
    pool = client.connection_pool
    connections = (*pool._available_connections, *pool._in_use_connections)
    for connection in connections:
        connection.disconnect()
    for part in (client, pool, *connections, *(connection._parser for connection in connections)):
        vars(part).clear()
        part.__class__ = _without_finalizer(type(part))


def _without_finalizer(kind: type) -> type:
    # Not None, which is called as well. This one is written in C: no line of Python runs, and so no signal's handler.
    return new_class(kind.__name__, (kind,), exec_body=lambda body: body.update(__del__=object.__init__))


def redact(url: str) -> str:
    """Return `url` with its passwords hidden, fit for logs and errors."""
    url = _tidy(url)
    if "://" not in url:
        return "***" if "@" in url else url.partition("?")[0]
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(unreadable URL)"
    if "@" in f"{parts.path}{parts.query}{parts.fragment}":
        # The password has a character that ends the host, and nobody can tell where the password ends.
        return f"{parts.scheme}://***"
    query = f"?{'&'.join(map(_shown, parts.query.split('&')))}" if parts.query else ""
    return f"{parts.scheme}://{_shown_address(parts)}{parts.path}{query}{'#***' if parts.fragment else ''}"


def _tidy(url: str) -> str:
    """Without the space or the end of line that a variable or a file adds; a scheme may be written in any case."""
    scheme, separator, rest = url.strip().partition("://")
    return f"{scheme.lower()}{separator}{rest}" if separator else scheme


def _bounded(timeout: float) -> dict[str, Any]:
    return {
        # Bytes, because the environment need not be UTF-8.
        "password": os.environb.get(_PASSWORD) or None,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        # Resending a batch, under its own number, is up to the writer: never to the client.
        "retry": Retry(NoBackoff(), 0),
        "health_check_interval": 0,
    }


def _shown_address(parts: SplitResult) -> str:
    user, at, host = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    if name and not colon and _PASSWORD not in os.environb:
        # Whoever forgets the colon writes the password where the user's name stands.
        name = "***"
    try:
        parts.port  # noqa: B018  raises if it is invalid
    except ValueError:
        # A password whose @ was forgotten is where the port should be.
        host = f"{host.rpartition(':')[0]}:***"
    return f"{name}{colon}{'***' if colon else ''}{at}{host}"


def _shown(option: str) -> str:
    name, is_, _ = option.partition("=")
    if unquote_plus(name) in (_PLAIN | TLS_OPTIONS) - _SECRET:
        return option
    return f"{name}=***" if is_ else "***"


def _refusal(url: str, objection: str) -> ConnectionFailed:
    return ConnectionFailed(f"{redact(url)!r} is not a valid Redis URL: {objection}.")


def _objection(url: str) -> str:
    """Say what is wrong with `url`, quoting none of it but names of options; "" if nothing is wrong."""
    try:
        url.encode()
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        # As the resolver will do; this fails if a part of the name is empty or too long.
        unquote(parts.hostname or "").encode("idna")
        parts.port  # noqa: B018  raises if it is invalid
    except ValueError:
        return _LOOKS
    if not _has_form(url, parts):
        return _LOOKS
    return next(_objections_to_options(redact(url), parts.scheme, options), "")


def _has_form(url: str, parts: SplitResult) -> bool:
    path = _SOCKET if parts.scheme == "unix" else _DATABASE
    # urlsplit drops tabs and ends of lines, wherever they are.
    whole = url.isprintable() and " " not in url and "\0" not in unquote(f"{parts.hostname}{parts.path}")
    return bool(whole and url.startswith(_STARTS) and path.fullmatch(parts.path) and not parts.fragment)


def _objections_to_options(shown: str, scheme: str, options: Mapping[str, str]) -> Iterator[str]:
    known = _PLAIN | TLS_OPTIONS if scheme == "rediss" else _PLAIN
    if unknown := sorted(options.keys() - known):
        # Only what the redacted URL shows anyway: what follows a mistake may be part of a password.
        named = "".join(f" {name!r}" for name in unknown if f"{name}=" in shown)
        tls = "" if scheme == "rediss" else " (and, with rediss://, some that begin with ssl_)"
        yield f"it has an unknown option{named}; the known ones are {', '.join(sorted(known))}{tls}"
    if not re.fullmatch(r"\d{1,9}", options.get("db", "0")):
        yield "db must be the number of a database"
    for name in ("socket_timeout", "socket_connect_timeout"):
        if not _is_timeout(options.get(name, "1")):
            yield f"{name} must be a number of seconds above 0 and at most 3600"


def _is_timeout(text: str) -> bool:
    try:
        return 0 < float(text) <= 3600
    except ValueError:
        return False
