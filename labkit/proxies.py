"""The tiles of the lab's services in JupyterLab's launcher, by jupyter-server-proxy.

It asks each function here, an entry point of the group `jupyter_serverproxy_servers`, once, when JupyterLab starts.
"""

import sys
from functools import partial
from typing import Any

from labkit.resources import resource

CATEGORY = "Lab"
# Seconds until a relay that was just started listens; it imports the stack first.
START_TIMEOUT = 30.0


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


# Debian's Prometheus leads from its root to an absolute path; `graph` is a page in every version.
prometheus = partial(_tile, "prometheus", "Prometheus", "graph")
sidecar = partial(_tile, "sidecar", "Sidecar")
store = partial(_tile, "store", "Store", "docs")
locust = partial(_tile, "locust", "Locust")
# Its pages name absolute paths: GF_SERVER_ROOT_URL must end in this path, with GF_SERVER_SERVE_FROM_SUB_PATH=true.
grafana = partial(_tile, "grafana", "Grafana", sub_path=True)
