"""The tiles of the lab's services in JupyterLab's launcher, through jupyter-server-proxy.

It calls each function here, an entry point of the group `jupyter_serverproxy_servers`, once, when JupyterLab starts.
"""

import posixpath
import re
import sys
from functools import partial
from typing import Any

from labkit.resources import resource

# The only category in which JupyterLab shows the icons of tiles that are not its own.
CATEGORY = "Notebook"
# Seconds for a new relay to start listening; it imports the stack first.
START_TIMEOUT = 30.0

_ROOTED = re.compile(rb"""((?:href|src|action)=["'])/(?!/)""")
_PATH_PREFIX = re.compile(rb"""(var PATH_PREFIX = ["'])(["'];)""")


def lead_back(response: Any, request: Any, path: str) -> None:
    """Rewrite the absolute paths of Debian's Prometheus so that they work behind the proxy.

    They are in its pages and redirects. Those of Prometheus' own releases are relative and stay as they are.
    """
    location = response.headers.get("Location", "")
    if location.startswith("/"):
        # Relative, because some versions of the proxy rewrite absolute paths themselves, and others do not.
        response.headers["Location"] = posixpath.relpath(location, posixpath.dirname(path))
    if response.headers.get("Content-Type", "").startswith("text/html"):
        base = request.path.removesuffix(path).encode()
        body = _ROOTED.sub(rb"\1" + base + b"/", response.body)
        response.body = _PATH_PREFIX.sub(rb"\1" + base + rb"\2", body)


def _tile(name: str, title: str, path: str = "", *, sub_path: bool = False) -> dict[str, Any]:
    return {
        "command": [sys.executable, "-P", "-m", "labkit.relay", name, "{port}"],
        "timeout": START_TIMEOUT,
        # True: the service knows the path under which it is served, and expects requests to contain it.
        "absolute_url": sub_path,
        "launcher_entry": {
            "title": title,
            "category": CATEGORY,
            "path_info": f"{name}/{path}",
            "icon_path": str(resource("configs", "jupyter", "icons", f"{name}.svg")),
        },
        # A browser tab: most of these pages need all of it.
        "new_browser_tab": True,
    }


def prometheus() -> dict[str, Any]:
    """Return the tile of Prometheus' web page. Compressed pages could not be rewritten."""
    plain = {"Accept-Encoding": "identity"}
    return _tile("prometheus", "Prometheus") | {"rewrite_response": lead_back, "request_headers_override": plain}


sidecar = partial(_tile, "sidecar", "Sidecar")
store = partial(_tile, "store", "Store", "docs")
locust = partial(_tile, "locust", "Locust")
# Its pages name absolute paths: GF_SERVER_ROOT_URL must end in this path, with GF_SERVER_SERVE_FROM_SUB_PATH=true.
grafana = partial(_tile, "grafana", "Grafana", sub_path=True)
