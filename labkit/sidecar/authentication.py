"""Who may read from the sidecar: users with a password (bcrypt), and bearers of a token."""

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable

import bcrypt
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from labkit.sidecar.web_config import WebConfig

# Checking a hash is slow on purpose, so few are checked at a time, and good ones are remembered.
CHECKS_AT_ONCE, REMEMBERED = 2, 100
# The salt and the hash of nobody's password.
_NOBODYS = b"abcdefghijklmnopqrstuu" + b"." * 31
# bcrypt looks at no more; only part of a longer password would be compared.
LONGEST_PASSWORD = 72


class Authentication:
    """Lets a request through to `app`, or answers 401; adds the headers of the web configuration to every answer.

    `config` is called for each request, because the configuration may change.
    """

    def __init__(self, app: ASGIApp, config: Callable[[], WebConfig]) -> None:
        self._app, self._config = app, config
        self._checks = asyncio.Semaphore(CHECKS_AT_ONCE)
        self._secret = secrets.token_bytes(32)
        self._admitted: dict[bytes, None] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        config = self._config()

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(config.headers)
            await send(message)

        admitted = await self._admits(config, Headers(scope=scope).get("authorization", ""))
        await (self._app if admitted else _refusal(config))(scope, receive, with_headers)

    async def _admits(self, config: WebConfig, authorization: str) -> bool:
        if not config.users and not config.tokens:
            return True
        scheme, _, credentials = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return _knows(config, credentials.strip())
        return scheme.lower() == "basic" and await self._knows_user(config, credentials)

    async def _knows_user(self, config: WebConfig, credentials: str) -> bool:
        name, password = _decode(credentials)
        if not config.users or len(password) > LONGEST_PASSWORD:
            return False
        most = max(map(_cost, config.users.values()))
        hashed = config.users.get(name, b"$2b$%02d$%b" % (most, _NOBODYS))
        proof = hmac.digest(self._secret, b"\0".join((name.encode(), hashed, password)), "sha256")
        if proof in self._admitted and name in config.users:
            return True
        async with self._checks:
            right = await run_in_threadpool(_check, password, hashed, most)
        if right and name in config.users:
            self._remember(proof)
            return True
        return False

    def _remember(self, proof: bytes) -> None:
        if len(self._admitted) >= REMEMBERED:
            self._admitted.clear()
        self._admitted[proof] = None


def _decode(credentials: str) -> tuple[str, bytes]:
    """Return the user and the password; both empty if they are not readable."""
    try:
        name, _, password = base64.b64decode(credentials.strip(), validate=True).partition(b":")
        return ("", b"") if b"\0" in password else (name.decode(), password)
    except ValueError:
        return "", b""


def _cost(hashed: bytes) -> int:
    return int(hashed.split(b"$")[2])


def _check(password: bytes, hashed: bytes, most: int) -> bool:
    """Check a password in the time that the most expensive hash takes, so that timing reveals no names."""
    right = bcrypt.checkpw(password, hashed)
    # Each step up doubles the time: a cost of 5, and then 5, 6 and 7 once more, take as long as one of 8.
    for cost in range(_cost(hashed), most):
        bcrypt.hashpw(password, b"$2b$%02d$%b" % (cost, _NOBODYS[:22]))
    return right


def _knows(config: WebConfig, token: str) -> bool:
    digest = hashlib.sha256(token.encode("latin-1")).hexdigest()
    return any(hmac.compare_digest(digest, known) for known in config.tokens.values())


def _refusal(config: WebConfig) -> PlainTextResponse:
    schemes = [("Basic", config.users), ("Bearer", config.tokens)]
    challenge = ", ".join(f'{scheme} realm="labkit"' for scheme, known in schemes if known)
    return PlainTextResponse("Unauthorized\n", 401, {"WWW-Authenticate": challenge})
