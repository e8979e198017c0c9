"""Who may call a web service on the loopback interface: programs and its own pages, but no page of another site.

A browser lets any page send a form to 127.0.0.1, and lets a page whose name is made to mean 127.0.0.1 (DNS rebinding)
read the answers, too. But it says in each request which name was used and where the page came from.
"""

import os
from collections.abc import Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

# In the environment: further names of the service, and of sites whose pages may use it.
ALLOWED = "LABKIT_ALLOWED_HOSTS"
# What JupyterLab passes on to a tile carries this header with the value that the tile's relay has in its environment.
TILE_HEADER = "X-Labkit-Tile"
TILE_TOKEN = "LABKIT_TILE_TOKEN"  # noqa: S105  the name of a variable

Get = Callable[[str], str | None]


def host_refusal(get: Get) -> str:
    """Say why the name by which this service was called is not its own; "" if it is.

    It is, if it is `localhost`, ends in that, is listed in `LABKIT_ALLOWED_HOSTS`, or is an address: what has no name
    cannot be made to mean something else.

    Args:
        get: returns a header of the request by its name in lower case, None without such a header.
    """
    host = get("host") or ""
    name = _name(host)
    if name == "localhost" or name.endswith(".localhost") or _is_address(name) or name in _allowed():
        return ""
    return f"This service is not called {host!r}. If it is, let {ALLOWED} have that name where the service starts."


def origin_refusal(get: Get, *, link: bool) -> str:
    """Say why the page that sends this request is of another site; "" if it is not, or if a program sends it.

    Args:
        get: as for `host_refusal`.
        link: whether somebody who follows a link on a page of another site may come here.
    """
    origin = get("origin")
    if origin is not None and not _is_own(origin, get):
        return f"Pages of {origin!r} may not use this service. If they may, let {ALLOWED} have that name."
    followed = link and get("sec-fetch-mode") == "navigate"
    if get("sec-fetch-site") == "cross-site" and origin is None and not followed:
        return "Pages of other sites may not use this service."
    return ""


def _is_own(origin: str, get: Get) -> bool:
    # A proxy in between says by which name the browser knows it. A page could only say so with this site's consent.
    known = {(get("host") or "").lower(), _first(get("x-forwarded-host")).lower()} - {""}
    return origin.lower().partition("://")[2] in known or _name(origin.partition("://")[2]) in _allowed()


def _allowed() -> set[str]:
    return set(os.environ.get(ALLOWED, "").lower().replace(",", " ").split())


def _name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _first(header: str | None) -> str:
    return (header or "").partition(",")[0].strip()
