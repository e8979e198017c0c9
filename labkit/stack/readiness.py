"""Ready is a ladder, not a sleep: the process lives, its port is open, the service answers for itself."""

import socket
from collections.abc import Callable, Iterable
from time import monotonic, sleep

from labkit.errors import ServiceFailed
from labkit.stack.ports import HOST
from labkit.stack.processes import POLL
from labkit.stack.services import Endpoint
from labkit.web.client import request

READY_TIMEOUT = 30.0
ANSWER_TIMEOUT = 1.0


def answers(service: Endpoint, timeout: float = ANSWER_TIMEOUT) -> bool:
    """Return whether the service says, within `timeout` seconds, that it is well."""
    check = _pong if service.health is None else _ok
    try:
        return check(service, timeout)
    except OSError:
        return False


def wait_ready(
    services: Iterable[Endpoint],
    ended: Callable[[str], bool],
    log_tail: Callable[[str], str],
    timeout: float = READY_TIMEOUT,
) -> None:
    """Return as soon as every service answers.

    `ended(name)` tells whether its process is gone, `log_tail(name)` is the end of its log.

    Raises:
        ServiceFailed: one has ended, or does not answer within `timeout` seconds.
    """
    deadline = monotonic() + timeout
    waiting = list(services)
    while waiting := [service for service in waiting if not answers(service)]:
        for service in waiting:
            if ended(service.name):
                raise ServiceFailed(f"{service.name} ended while it started. {log_tail(service.name)}")
        if monotonic() > deadline:
            progress, name = _progress(waiting[0]), waiting[0].name
            raise ServiceFailed(f"{name} is not ready after {timeout:g} s: {progress}. {log_tail(name)}")
        sleep(POLL)


def _progress(service: Endpoint) -> str:
    """Say how far up the ladder a living process came."""
    with socket.socket() as probe:
        probe.settimeout(ANSWER_TIMEOUT)
        opened = probe.connect_ex((HOST, service.port)) == 0
    if not opened:
        return f"its process lives, but its port {service.port} is not open"
    return f"its port {service.port} is open, but it does not answer {service.health or 'PING'}"


def _pong(service: Endpoint, timeout: float) -> bool:
    with socket.create_connection((HOST, service.port), timeout) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(16).startswith(b"+PONG")


def _ok(service: Endpoint, timeout: float) -> bool:
    return request("GET", f"http://{HOST}:{service.port}{service.health}", timeout=timeout).status == 200
