"""Keep pages of other sites from using the store and Locust; `labkit.web.origins` says which ones may."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from labkit.web.origins import host_refusal, origin_refusal

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class OriginGuard:
    """An ASGI middleware that answers requests from pages of other sites with 403.

    Args:
        app: the application to guard.
        pages: paths to which a link on any page may lead: looking at them changes nothing.
    """

    def __init__(self, app: "ASGIApp", pages: Collection[str] = ()) -> None:
        self._app, self._pages = app, frozenset(pages)

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        why = host_refusal(headers.get) or origin_refusal(headers.get, link=self._is_page(scope))
        await (_refuse(why, send) if why else self._app(scope, receive, send))

    def _is_page(self, scope: "Scope") -> bool:
        return scope.get("method") in ("GET", "HEAD") and scope["path"] in self._pages


def guard_locust(environment: Any, **_: Any) -> None:
    """Guard Locust's web page, which may start traffic to anywhere; a listener of its event `init`."""
    if not environment.web_ui:
        return
    from flask import request

    @environment.web_ui.app.before_request  # type: ignore[untyped-decorator]  # Flask's
    def refuse() -> tuple[str, int] | None:
        why = host_refusal(request.headers.get) or origin_refusal(request.headers.get, link=request.path == "/")
        return (why, 403) if why else None


async def _refuse(why: str, send: "Send") -> None:
    head = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(why.encode())).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": head})
    await send({"type": "http.response.body", "body": why.encode()})
