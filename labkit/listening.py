"""One way to listen: the port is taken before anything else starts, and a failure says what to do."""

import errno
import socket

from labkit.errors import LabkitError, PortInUse


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes any free one.

    Raises:
        PortInUse: the port belongs to somebody else.
        LabkitError: the address is not of this machine, or not for us.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(f"Port {port} on {host} is taken: stop what uses it, or choose another.") from None
        raise LabkitError(f"Nothing can listen on {host}:{port}: {error.strerror or error}.") from None
    # Handed on to every connection. asyncio would do it for a listener of its own only, and without it the body of an
    # answer waits 40 ms for the client to acknowledge the head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
