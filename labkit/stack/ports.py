"""Ports on the loopback interface: as documented, or free ones; and who holds one that is taken."""

import socket
from pathlib import Path
from random import SystemRandom

from labkit.errors import PortInUse, StackError
from labkit.stack.home import find_home
from labkit.stack.options import Ports
from labkit.stack.processes import lab_of, listener

HOST = "127.0.0.1"
FIXED = {"redis": 6379, "store": 5050, "sidecar": 9121, "prometheus": 9090}
OPTIONAL = {"locust": 8089}

# Below what Linux hands out to clients (32768 and up): a client that tries again and again to reach a server that is
# down would otherwise, one day, be given the server's own port and talk to itself.
_FREE = range(20_000, 32_000)


def choose(wanted: Ports) -> dict[str, int]:
    """Return a port for each service, all of them free at this moment.

    Raises:
        PortInUse: a documented port is taken.
    """
    if wanted == "auto":
        return dict(zip(FIXED, _free(len(FIXED)), strict=True))
    for service, port in FIXED.items():
        require_free(port, service)
    return dict(FIXED)


def choose_one(service: str, wanted: Ports) -> int:
    """Return a port for an optional service: the usual one if that is wanted and free, else a free one."""
    usual = OPTIONAL[service]
    return usual if wanted == "fixed" and is_free(usual) else _free(1)[0]


def is_free(port: int, host: str = HOST) -> bool:
    """Return whether a server could listen there now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As servers do: connections of yesterday that linger do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def require_free(port: int, service: str) -> None:
    """Do nothing if the port is free.

    Raises:
        PortInUse: it is not; the message says who holds it, if that can be seen, and what to do.
    """
    if not is_free(port):
        raise PortInUse(
            f"Port {port} for {service} is taken{_holder(port)}, or take free ports: `labkit up --ports auto`."
        )


def _holder(port: int) -> str:
    process = listener(port)
    if process is None:
        return " by a process that is not yours to see. Stop it"
    if folder := lab_of(process):
        home, name = Path(folder).parent.parent, Path(folder).name
        end = "labkit down" if home == find_home() else f"LABKIT_HOME={home} labkit down"
        return f" by the lab {name!r} in {home}. Stop that one (`{end} --name {name}`)"
    return f" by {process.name()} (pid {process.pid}). Stop it"


def _free(count: int) -> list[int]:
    found: list[int] = []
    # Not in an order that others share who have set the same seed, such as the workers of a parallel test run.
    for port in SystemRandom().sample(_FREE, len(_FREE)):
        if is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise StackError(f"No {count} free ports between {_FREE.start} and {_FREE.stop} on {HOST}.")
