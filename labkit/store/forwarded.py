"""The store behind a proxy that says how the browser knows it: JupyterLab's, which also shortens the path."""

import re
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

_PREFIX = re.compile(r"(/[^/]+)+")
_HOST = re.compile(r"[\w.:\[\]-]+", re.ASCII)


class Forwarded:
    """Puts `X-Forwarded-Prefix` back in front of the path, and `X-Forwarded-Host` in place of the host, so that links
    that are made here lead back here.

    It changes the scope, and does not copy it: a meter inside still finds the route.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            # As it stands in a link: encoded, and without what ends a string in a page or a script.
            prefix = quote(headers.get("x-forwarded-prefix", "").rstrip("/"), safe="/%@+~")
            if _PREFIX.fullmatch(prefix):
                scope["root_path"] = prefix
                scope["path"] = prefix + scope["path"]
            host = headers.get("x-forwarded-host", "")
            if _HOST.fullmatch(host):
                MutableHeaders(scope=scope)["host"] = host
        await self._app(scope, receive, send)
