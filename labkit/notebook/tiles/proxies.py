"""The tiles of the lab's services in JupyterLab's launcher, through jupyter-server-proxy.

It calls each function here, an entry point of the group `jupyter_serverproxy_servers`, once, when JupyterLab starts.
"""

import html
import re
import secrets
import sys
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from jupyter_core.paths import jupyter_path

from labkit.notebook.tiles.relay import BESIDE
from labkit.resources import resource
from labkit.stack.ports import is_free
from labkit.web.origins import TILE_HEADER, TILE_TOKEN

# labkit's own extension shows the tiles of this group; see configs/jupyter/labextensions.
GROUP = "labkit"
# Where a JupyterLab has not found it, jupyter-server-proxy shows them, and in this category only with their icons.
CATEGORY = "Notebook"
# Seconds for a new relay to start listening; it imports the stack first.
START_TIMEOUT = 30.0

# With it, a relay recognizes requests that come through JupyterLab, which has authenticated them.
_token = secrets.token_hex()

_ROOTED = re.compile(rb"""((?:href|src|action)=["'])/(?!/)""")
_PATH_PREFIX = re.compile(rb"""(var PATH_PREFIX = ["'])(["'];)""")


def lead_back(response: Any, request: Any, path: str) -> None:
    """Rewrite the absolute paths of Debian's Prometheus so that they work behind the proxy.

    They are in its pages and redirects. Those of Prometheus' own releases are relative and stay as they are.
    """
    base = _base(request.path, path)
    location = response.headers.get("Location", "")
    if location.startswith("/"):
        # Relative, because some versions of the proxy rewrite absolute paths themselves, and others do not.
        up = "../" * (request.path.removeprefix(base).count("/") - 1)
        response.headers["Location"] = f"{up or './'}{location.lstrip('/')}"
    if response.headers.get("Content-Type", "").startswith("text/html"):
        attribute, string = html.escape(base).encode(), _in_script(base).encode()
        body = _ROOTED.sub(lambda found: found[1] + attribute + b"/", response.body)
        response.body = _PATH_PREFIX.sub(lambda found: found[1] + string + found[2], body)


def _base(requested: str, path: str) -> str:
    """What is before `path` in the path that was requested, as it was: encoded, while `path` is decoded."""
    cuts = (cut for cut, character in enumerate(requested) if character == "/")
    return next((requested[:cut] for cut in cuts if unquote(requested[cut:]) == path), "")


def _in_script(text: str) -> str:
    """Text for a string of JavaScript in a page, without what ends the string or the script."""
    return re.sub(r"[\"'<>&]", lambda found: f"\\u{ord(found[0]):04x}", text.replace("\\", r"\\"))


def _has_extension() -> bool:
    return any((Path(folder) / "labkit" / "package.json").is_file() for folder in jupyter_path("labextensions"))


def _tile(name: str, title: str, path: str = "", *, sub_path: bool = False, shown: bool = True) -> dict[str, Any]:
    ours = shown and _has_extension()
    return {
        "command": [sys.executable, "-P", "-m", "labkit.notebook.tiles.relay", name, "{port}"],
        "environment": {TILE_TOKEN: _token},
        "request_headers_override": {TILE_HEADER: _token},
        "timeout": START_TIMEOUT,
        # True: the service knows the path under which it is served, and expects requests to contain it.
        "absolute_url": sub_path,
        "launcher_entry": {
            "title": title,
            "enabled": shown and not ours,
            "category": GROUP if ours else CATEGORY,
            "path_info": f"{name}/{path}",
            "icon_path": str(
                resource("configs", "jupyter", "labextensions", "labkit", "static", "icons", f"{name}.svg")
            ),
        },
        # A browser tab: most of these pages need all of it.
        "new_browser_tab": True,
    }


def prometheus() -> dict[str, Any]:
    """Return the tile of Prometheus' web page. Compressed pages could not be rewritten."""
    tile = _tile("prometheus", "Prometheus")
    tile["request_headers_override"]["Accept-Encoding"] = "identity"
    return tile | {"rewrite_response": lead_back}


sidecar = partial(_tile, "sidecar", "Sidecar", "metrics")
store = partial(_tile, "store", "Store", "docs")
locust = partial(_tile, "locust", "Locust")


def grafana() -> dict[str, Any]:
    """Return the tile of Grafana, shown if it runs when JupyterLab starts: it comes with Docker, or not at all.

    Its pages name absolute paths: GF_SERVER_ROOT_URL must end in this path, with GF_SERVER_SERVE_FROM_SUB_PATH=true.
    """
    return _tile("grafana", "Grafana", sub_path=True, shown=not is_free(BESIDE["grafana"][0]))
