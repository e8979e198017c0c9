"""The store behind a proxy that takes the start of the path away and says so, as JupyterLab's does."""

import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

_PREFIX = re.compile(r"(/[\w.~@%+-]+)+")


class ForwardedPrefix:
    """Puts `X-Forwarded-Prefix` back in front of the path, so that links that are made here lead back here.

    It changes the scope, and does not copy it: a meter inside still finds the route.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            prefix = Headers(scope=scope).get("x-forwarded-prefix", "").rstrip("/")
            if _PREFIX.fullmatch(prefix):
                scope["root_path"] = prefix
                scope["path"] = prefix + scope["path"]
        await self._app(scope, receive, send)
