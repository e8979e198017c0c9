"""One address for a service of the lab, whatever its current port is: bytes in, bytes out.

jupyter-server-proxy starts a relay for each launcher tile that somebody opens, on a port that stays the same. The lab
may come, go and change its ports meanwhile: every connection looks up where the service is, and while it is not
running, the answer is a page that says how to start it, and reloads by itself. Pages of other sites are refused.

$ python -m labkit.notebook.tiles.relay prometheus 40123
"""

import asyncio
import contextlib
import html
import os
import secrets
import sys
from typing import NamedTuple

from labkit.errors import LabkitError
from labkit.stack import Stack
from labkit.stack.ports import HOST
from labkit.web.origins import TILE_HEADER, TILE_TOKEN, host_refusal, origin_refusal

# Services that may run beside the lab, where they listen unless the lab says otherwise, and how to start them.
BESIDE = {
    "grafana": (3000, "<code>docker compose up grafana</code>"),
    "locust": (8089, "<code>Stack.attach().start_traffic()</code> in a notebook"),
}
_LAB = "<code>labkit up</code> in a terminal, or <code>%lab up</code> in a notebook"
_SERVICE = '<code>Stack.attach().start("{name}")</code> in a notebook'
CHUNK = 64 * 1024
LONGEST_HEAD = 64 * 1024
TIMEOUT = 5.0  # seconds

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="2">
<title>{name} is not running</title><style>
:root {{ color-scheme: light dark }}
body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 15vh auto; padding: 0 1rem }}
code {{ font-size: 1.05em; padding: .1em .4em; border-radius: .3em; background: color-mix(in srgb, currentColor 12%, transparent) }}
</style></head><body><h1>{name} is not running</h1><p>{why}</p>
<p>Start it with {start}.</p><p>This page reloads every two seconds.</p></body></html>
"""  # noqa: E501  a style is best read in one line


class Target(NamedTuple):
    """The port on which a service is expected, 0 if nowhere; why it may not answer; and how to start it, as HTML."""

    port: int
    why: str
    start: str


class Head:
    """The head of a request: the line that says what is wanted, and the headers."""

    def __init__(self, raw: bytes) -> None:
        self._line, *self._headers = raw.removesuffix(b"\r\n\r\n").split(b"\r\n")

    def get(self, name: str) -> str | None:
        """Return a header by its name in lower case."""
        return next((value for known, value in map(_split, self._headers) if known == name), None)

    def objection(self, token: str | None) -> str:
        """Say why the request is refused; "" if it is not. With the tile's token, it comes from JupyterLab: then the
        name by which that is known may be any."""
        given = self.get(TILE_HEADER.lower()) or ""
        from_tile = bool(token) and secrets.compare_digest(given.encode(), (token or "").encode())
        return ("" if from_tile else host_refusal(self.get)) or origin_refusal(self.get, link=True)

    def for_service(self, host: str) -> bytes:
        """Return the head as the service gets it: without the token, and with its own name, unless `host` is empty.

        The name by which the browser knows it goes into `X-Forwarded-Host`, unless another proxy said so already.
        """
        replaced = {TILE_HEADER.lower(), *(("host", "x-forwarded-host") if host else ())}
        kept = [line for line in self._headers if _split(line)[0] not in replaced]
        if host:
            named = self.get("x-forwarded-host") or self.get("host") or host
            kept += [f"Host: {host}".encode(), f"X-Forwarded-Host: {named}".encode("latin-1")]
        return b"\r\n".join([self._line, *kept]) + b"\r\n\r\n"


def _split(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode("latin-1").partition(":")
    return name.strip().lower(), value.strip()


def locate(name: str) -> Target:
    """Return where the service `name` is, as things are now."""
    try:
        stack = Stack.running()
    except LabkitError as error:
        return Target(0, str(error), _LAB)
    if stack and name in stack.urls:
        port = int(stack.urls[name].rpartition(":")[2].partition("/")[0])
        return Target(port, "The lab is running, but it does not answer.", _SERVICE.format(name=html.escape(name)))
    if name in BESIDE:
        port, start = BESIDE[name]
        return Target(port, "It is not one of the lab's own services, and was not started.", start)
    return Target(0, "No lab is running here.", _LAB)


def not_running(name: str, target: Target) -> bytes:
    """Return the response, headers included, that is sent in place of the service's own."""
    page = _PAGE.format(name=html.escape(name.capitalize()), why=html.escape(target.why), start=target.start)
    return response("503 Service Unavailable", page)


def response(status: str, text: str) -> bytes:
    """Return a whole response with a page of HTML."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n"
    body = text.encode()
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


async def connect(name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Join one connection to the service, or answer it: with the page, or with a refusal."""
    try:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = Head(await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), TIMEOUT))
            # The first request is checked for its whole connection: browsers use one for one host name only.
            if why := head.objection(os.environ.get(TILE_TOKEN)):
                await _answer(reader, writer, response("403 Forbidden", html.escape(why)))
            else:
                await _serve(name, head, (reader, writer))
    finally:
        writer.close()


async def serve(name: str, port: int) -> None:
    """Relay until the process that started this one is gone."""
    parent = os.getppid()
    async with await asyncio.start_server(
        lambda reader, writer: connect(name, reader, writer), HOST, port, limit=LONGEST_HEAD
    ):
        # A Jupyter that is killed does not end its children.
        while os.getppid() == parent:
            await asyncio.sleep(TIMEOUT)


async def _serve(name: str, head: Head, near: Connection) -> None:
    target = locate(name)
    try:
        far = await asyncio.open_connection(HOST, target.port)
    except OSError:
        await _answer(*near, not_running(name, target))
        return
    # Grafana compares the page's address with the name by which it is called, and has settings for it.
    far[1].write(head.for_service("" if name == "grafana" else f"{HOST}:{target.port}"))
    try:
        await asyncio.gather(_copy(near[0], far[1]), _copy(far[0], near[1]))
    finally:
        far[1].close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while chunk := await source.read(CHUNK):
        target.write(chunk)
        await target.drain()
    if target.can_write_eof():
        target.write_eof()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: bytes) -> None:
    writer.write(answer)
    writer.write_eof()
    # Read what still arrives: closing the connection before that would discard the answer.
    async with asyncio.timeout(TIMEOUT):
        while await reader.read(CHUNK):
            pass


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
