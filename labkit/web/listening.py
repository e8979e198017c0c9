"""One way to listen: the port is bound before anything else starts, and a failure says what to do."""

import errno
import socket

from labkit.errors import LabkitError, PortInUse


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes any free one.

    Raises:
        PortInUse: another process uses the port.
        LabkitError: the address is not this machine's, or may not be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(f"Port {port} on {host} is taken: stop what uses it, or choose another.") from None
        raise LabkitError(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from None
    # Inherited by every connection. asyncio sets it only for listeners of its own, and without it the body of an
    # answer waits 40 ms for the client to acknowledge the head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
