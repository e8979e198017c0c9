"""What can be changed in a service while it runs, and how to know that the change is in effect."""

import re
import signal

import psutil

from labkit.errors import ServiceFailed
from labkit.stack.ports import HOST
from labkit.stack.processes import send, wait_until
from labkit.web.client import Response, request

RELOAD_TIMEOUT = 15.0

_RELOADED = re.compile(r"^prometheus_config_last_reload_(successful|success_timestamp_seconds) (\S+)$", re.MULTILINE)


def set_flush_interval(port: int, seconds: float) -> None:
    """Tell the store how often to send.

    Raises:
        ServiceFailed: it does not take it, or does not answer.
    """
    answer = _ask("store", port, "PUT", "/-/flush-interval", {"seconds": seconds})
    if answer.status != 200:
        raise ServiceFailed(f"The store refused a flush interval of {seconds:g} s: {answer.text}")


def reload_prometheus(process: psutil.Process, port: int) -> None:
    """Make Prometheus read its configuration again, and return once it has. Its targets follow within five seconds.

    Raises:
        ServiceFailed: it refuses it, and goes on with the old one, or it does not answer.
    """
    before = _last_reload(port)
    send([process], signal.SIGHUP)
    if not wait_until(lambda: _last_reload(port) != before, RELOAD_TIMEOUT):
        raise ServiceFailed(f"Prometheus did not read its configuration again within {RELOAD_TIMEOUT:g} s.")
    if _last_reload(port)["successful"] != 1:
        raise ServiceFailed("Prometheus refuses its configuration and keeps the old one; see `labkit logs prometheus`.")


def _last_reload(port: int) -> dict[str, float]:
    """Whether the last reload went well, and when one last did; this is noted after it is in effect."""
    page = _ask("prometheus", port, "GET", "/metrics").text
    return {name: float(value) for name, value in _RELOADED.findall(page)}


def _ask(service: str, port: int, method: str, path: str, data: object = None) -> Response:
    try:
        return request(method, f"http://{HOST}:{port}{path}", data=data)
    except OSError as error:
        raise ServiceFailed(f"{service} does not answer ({error}); wake or start it, and try again.") from None
