"""Uvicorn, with limits that hold against slow and hostile clients, certificates that can change, and a quick exit."""

import asyncio
import signal
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any, cast
from weakref import WeakSet

import h11
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from labkit.sidecar.log_limits import limit_log


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one client, and all of them together, may use. Times in seconds, sizes in bytes.

    Usage: `Limits(connections=200)`. Further connections are answered 503, and beyond twice as many not at all.
    """

    connections: int = 100
    # The request line and the headers.
    head: int = 16 * 1024
    head_time: float = 5
    # Sending one answer. Prometheus itself gives up after 10, unless told otherwise.
    send_time: float = 60
    # Longer than a scrape interval of a minute.
    idle_time: int = 75
    tls_time: float = 5
    # For requests in progress at shutdown; the whole shutdown takes less than 2.
    last_time: int = 1


class TlsContext(ssl.SSLContext):
    """Gives each new connection the context that `current` returns, so that certificates can be changed.

    At most `most` connections exist at a time: before its handshake, no connection is known to anybody else.
    """

    current: Callable[[], ssl.SSLContext | None]
    most: float = inf
    _open: "WeakSet[ssl.SSLObject]"

    @classmethod
    def of(cls, current: Callable[[], ssl.SSLContext | None]) -> "TlsContext":
        context = cls(ssl.PROTOCOL_TLS_SERVER)
        context.current, context._open = current, WeakSet()
        return context

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        if len(self._open) >= self.most:
            return cast(ssl.SSLObject, _NoHandshake())
        present = self.current()
        # Without one there is no certificate, and the handshake fails: never an unencrypted connection.
        made = present.wrap_bio(*arguments, **options) if present else super().wrap_bio(*arguments, **options)
        self._open.add(made)
        return made


class _NoHandshake:
    """In place of the TLS of a connection that is one too many: asyncio closes it, as if the handshake had failed."""

    def do_handshake(self) -> None:
        raise ssl.SSLError("too many connections")


def server(app: Starlette, limits: Limits, tls: TlsContext | None = None) -> uvicorn.Server:
    """Return a server for the application, not started yet."""
    config = uvicorn.Config(
        app,
        # Uvicorn calls it, and needs no more.
        http=cast(type[asyncio.Protocol], partial(_Connection, limits)),
        ws="none",
        # The client is the peer that connects, whatever a header says about somebody behind it.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_level="error",
        limit_concurrency=limits.connections,
        h11_max_incomplete_event_size=limits.head,
        timeout_keep_alive=limits.idle_time,
    )
    config.load()
    limit_log()
    if tls:
        tls.most = 2 * limits.connections
    config.ssl = tls
    return _Server(config, limits)


def run(running: uvicorn.Server, listener: socket.socket, on_hangup: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; call `on_hangup` in a thread of its own at each SIGHUP."""

    def hang_up(*_: object) -> None:
        threading.Thread(target=on_hangup, name="labkit-reload", daemon=True).start()

    signal.signal(signal.SIGHUP, hang_up)
    running.run([listener])


class _Server(uvicorn.Server):
    """Exits with code 0 after SIGTERM: it was asked to. A client that does not take its answer is not waited for."""

    def __init__(self, config: uvicorn.Config, limits: Limits) -> None:
        super().__init__(config)
        self._limits = limits

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        with asyncio.Runner(loop_factory=partial(_Loop, self._limits)) as runner:
            runner.run(self.serve(sockets))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Instead of Uvicorn's own limit: when that passes, it logs an error, even if all requests have just ended.
        asyncio.get_running_loop().call_later(self._limits.last_time, self._let_go)
        await super().shutdown(sockets)

    def _let_go(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        # Requests end by themselves now, but for those that wait for Redis.
        asyncio.get_running_loop().call_later(self._limits.last_time / 2, self._cancel)

    def _cancel(self) -> None:
        for task in list(self.server_state.tasks):
            task.cancel()

    def handle_exit(self, sig: int, frame: Any) -> None:
        if sig == signal.SIGTERM:
            self.should_exit = True
        else:
            super().handle_exit(sig, frame)


class _Loop(asyncio.SelectorEventLoop):
    """Waits for a TLS handshake, and for TLS to shut down, no longer than the limits say."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._limits = limits

    async def create_server(self, *arguments: Any, **options: Any) -> asyncio.Server:
        if options.get("ssl"):
            options |= {"ssl_handshake_timeout": self._limits.tls_time, "ssl_shutdown_timeout": self._limits.last_time}
        return await super().create_server(*arguments, **options)


class _Connection(H11Protocol):
    """One connection that ends when its client takes too long: to send its request, or to take the answer."""

    def __init__(self, limits: Limits, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._limits = limits
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in Uvicorn
        super().connection_made(transport)
        # Whatever the client has not taken counts as not sent, however little it is. (With 0, TLS would never resume.)
        transport.set_write_buffer_limits(high=1)
        if len(self.connections) > 2 * self._limits.connections:
            transport.abort()
        else:
            self._give(self._limits.head_time)

    def data_received(self, data: bytes) -> None:
        waiting = self._is_idle()
        super().data_received(data)
        if waiting and not self._is_idle():
            # Not while the answer before still waits to be taken: its time is running.
            if not self.flow.write_paused:
                self._give(None)
        elif waiting and self._deadline is None:
            self._give(self._limits.head_time)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._deadline is None:
            self._give(self._limits.send_time)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._is_idle():
            self._give(None)

    def on_response_complete(self) -> None:
        if not self.transport.get_write_buffer_size():
            self._give(None)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        if self.cycle:
            # What is still being answered never will be: to try would be an error of ours, with a traceback.
            self.cycle.disconnected = True
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._give(None)
        super().connection_lost(exc)

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _give(self, seconds: float | None) -> None:
        """Abort the connection in this many seconds, instead of at the time set before; never, if None."""
        if self._deadline:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)
