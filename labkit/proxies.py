"""The tiles of the lab's services in JupyterLab's launcher, by jupyter-server-proxy.

It asks each function here, an entry point of the group `jupyter_serverproxy_servers`, once, when JupyterLab starts.
"""

import posixpath
import re
import sys
from functools import partial
from typing import Any

from labkit.resources import resource

# The one category in which JupyterLab shows the icons of tiles that are not its own.
CATEGORY = "Notebook"
# Seconds until a relay that was just started listens; it imports the stack first.
START_TIMEOUT = 30.0

_ROOTED = re.compile(rb"""((?:href|src|action)=["'])/(?!/)""")
_PATH_PREFIX = re.compile(rb"""(var PATH_PREFIX = ["'])(["'];)""")


def lead_back(response: Any, request: Any, path: str) -> None:
    """Turn what Debian's Prometheus says about its own root into what is true behind the proxy.

    Its pages and redirects name whole paths. Those of Prometheus' own releases are relative and stay as they are.
    """
    location = response.headers.get("Location", "")
    if location.startswith("/"):
        # Relative, because some versions of the proxy rewrite whole paths themselves, and others do not.
        response.headers["Location"] = posixpath.relpath(location, posixpath.dirname(path))
    if response.headers.get("Content-Type", "").startswith("text/html"):
        base = request.path.removesuffix(path).encode()
        body = _ROOTED.sub(rb"\1" + base + b"/", response.body)
        response.body = _PATH_PREFIX.sub(rb"\1" + base + rb"\2", body)


def _tile(name: str, title: str, path: str = "", *, sub_path: bool = False) -> dict[str, Any]:
    return {
        "command": [sys.executable, "-m", "labkit.relay", name, "{port}"],
        "timeout": START_TIMEOUT,
        # True: the service knows under which path it lives, and wants to see it.
        "absolute_url": sub_path,
        "launcher_entry": {
            "title": title,
            "category": CATEGORY,
            "path_info": f"{name}/{path}",
            "icon_path": str(resource("configs", "jupyter", "icons", f"{name}.svg")),
        },
        # A tab of the browser: most of these pages want all of it.
        "new_browser_tab": True,
    }


def prometheus() -> dict[str, Any]:
    """Return the tile of Prometheus' web page. Compressed pages could not be corrected."""
    plain = {"Accept-Encoding": "identity"}
    return _tile("prometheus", "Prometheus") | {"rewrite_response": lead_back, "request_headers_override": plain}


sidecar = partial(_tile, "sidecar", "Sidecar")
store = partial(_tile, "store", "Store", "docs")
locust = partial(_tile, "locust", "Locust")
# Its pages name absolute paths: GF_SERVER_ROOT_URL must end in this path, with GF_SERVER_SERVE_FROM_SUB_PATH=true.
grafana = partial(_tile, "grafana", "Grafana", sub_path=True)
