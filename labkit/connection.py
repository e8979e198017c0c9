"""One way to reach Redis: bounded in time, without hidden retries, and never showing a password."""

import os
import re
import ssl
from urllib.parse import SplitResult, parse_qsl, unquote, unquote_plus, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from labkit.errors import ConnectionFailed

DEFAULT_URL = "redis://127.0.0.1:6379/0"

_STARTS = ("redis://", "rediss://", "unix://")
_DATABASE, _SOCKET = re.compile(r"/?\d*/?"), re.compile(r"/.+")
_SECRET = {"password", "ssl_password"}
_TLS = {"ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_password"}
_TLS |= {"ssl_cert_reqs", "ssl_check_hostname", "ssl_min_version", "ssl_ciphers"}
# Options that cannot change how labkit reads a reply, or how often it sends a batch.
_PLAIN = {"db", "username", "password", "client_name", "socket_timeout", "socket_connect_timeout", "socket_keepalive"}
_LOOKS = f"one looks like {DEFAULT_URL!r}; the scheme is redis, rediss or unix; percent-encode signs in a password"
_BAD_VALUE = "an option has an invalid value"
_BAD_TLS = (
    "its ssl_ options do not work: the certificates or the key cannot be read or do not match, ssl_password does not "
    "decrypt the key, or no cipher is left"
)


def connect(url: str, *, timeout: float = 2.0) -> redis.Redis:
    """Return a client for `url`; nothing is sent yet. `timeout` (s) bounds connecting and every reply.

    The password may be in the URL or in the environment variable `LABKIT_REDIS_PASSWORD`; the URL's takes precedence.
    With `rediss://`, the options `ssl_ca_certs`, `ssl_certfile` and `ssl_keyfile` name the certificates.

    Raises:
        ConnectionFailed: the URL is malformed, has an unknown option, or names a file that cannot be used.
    """
    if objection := _objection(url):
        raise _refusal(url, objection)
    try:
        client = redis.Redis.from_url(
            url,
            # Bytes, because the environment need not be UTF-8.
            password=os.environb.get(b"LABKIT_REDIS_PASSWORD") or None,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            # Resending a batch, under its own number, is up to the writer: never to the client.
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
            # Without one, OpenSSL would prompt for the key's password on the terminal.
            **({"ssl_password": ""} if url.startswith("rediss:") else {}),
        )
        # Created but never opened: the constructor checks the options.
        client.connection_pool.connection_class(**client.connection_pool.connection_kwargs)
    except (ValueError, redis.RedisError):
        # Their messages may quote part of the password.
        raise _refusal(url, _BAD_VALUE) from None
    return client


def redact(url: str) -> str:
    """Return `url` with its passwords hidden, fit for logs and errors."""
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
    return f"{parts.scheme}://{_place(parts)}{parts.path}{query}{'#***' if parts.fragment else ''}"


def _place(parts: SplitResult) -> str:
    user, at, host = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    try:
        parts.port  # noqa: B018  raises if it is invalid
    except ValueError:
        # A password whose @ was forgotten is where the port should be.
        host = f"{host.rpartition(':')[0]}:***"
    return f"{name}{colon}{'***' if colon else ''}{at}{host}"


def _shown(option: str) -> str:
    name, is_, _ = option.partition("=")
    if unquote_plus(name) in (_PLAIN | _TLS) - _SECRET:
        return option
    return f"{name}=***" if is_ else "***"


def _refusal(url: str, objection: str) -> ConnectionFailed:
    return ConnectionFailed(f"{redact(url)!r} is not a valid Redis URL: {objection}.")


def _objection(url: str) -> str:
    """Say what is wrong with `url`, quoting none of it; "" if nothing is wrong."""
    try:
        url.encode()
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        # As the resolver will do; this fails if a part of the name is empty or too long.
        unquote(parts.hostname or "").encode("idna")
        parts.port  # noqa: B018  raises if it is invalid
    except ValueError:
        return _LOOKS
    if not (_has_form(url, parts) and "\0" not in unquote(f"{parts.hostname}{parts.path}")):
        return _LOOKS
    return _objection_to_options(parts.scheme, options)


def _has_form(url: str, parts: SplitResult) -> bool:
    path = _SOCKET if parts.scheme == "unix" else _DATABASE
    return bool(url.startswith(_STARTS) and path.fullmatch(parts.path) and not parts.fragment)


def _objection_to_options(scheme: str, options: dict[str, str]) -> str:
    known = _PLAIN | _TLS if scheme == "rediss" else _PLAIN
    if not known.issuperset(options):
        tls = "" if scheme == "rediss" else " (and, with rediss://, some that begin with ssl_)"
        return f"it has an unknown option; the known ones are {', '.join(sorted(known))}{tls}"
    try:
        if not all(0 < float(options.get(name, 1)) <= 3600 for name in ("socket_timeout", "socket_connect_timeout")):
            return _BAD_VALUE
        return _objection_to_tls(options) if scheme == "rediss" else ""
    except ValueError:
        return _BAD_VALUE


def _objection_to_tls(options: dict[str, str]) -> str:
    # A missing file, a key without its certificate, a wrong password: without this, the first command would find it.
    authorities = options.get("ssl_ca_certs"), options.get("ssl_ca_path")
    identity = options.get("ssl_certfile", ""), options.get("ssl_keyfile")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.minimum_version = ssl.TLSVersion(int(options.get("ssl_min_version", ssl.TLSVersion.TLSv1_2)))
        context.set_ciphers(options.get("ssl_ciphers", "DEFAULT"))
        if any(authorities):
            context.load_verify_locations(*authorities)
        if any(identity):
            context.load_cert_chain(*identity, options.get("ssl_password", ""))
    except OSError:
        return _BAD_TLS
    return ""
