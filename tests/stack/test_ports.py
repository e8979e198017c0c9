"""Ports are free when they are chosen, and one that is taken is told with its holder and the way out."""

import os
import socket
from collections.abc import Iterator

import pytest

from labkit.errors import PortInUse
from labkit.stack import ports


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that this process listens on."""
    with socket.create_server((ports.HOST, 0)) as server:
        yield server.getsockname()[1]


def test_free_ports_are_four_that_clients_are_never_given() -> None:
    """They stand below the range from which the system takes ports for outgoing connections."""
    chosen = ports.choose("auto")
    assert chosen.keys() == ports.FIXED.keys()
    assert len(set(chosen.values())) == 4
    assert all(20_000 <= port < 32_000 and ports.is_free(port) for port in chosen.values())


def test_a_taken_port_names_its_holder_and_the_way_out(taken: int) -> None:
    """The message has the port, the service, the process id of the holder and `--ports auto`."""
    with pytest.raises(PortInUse, match=rf"Port {taken} for store is taken by .*\(pid {os.getpid()}\).*--ports auto"):
        ports.require_free(taken, "store")


def test_a_listener_on_all_addresses_counts() -> None:
    """A server on 0.0.0.0 holds the loopback port too."""
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104  on purpose, for a moment
        assert not ports.is_free(server.getsockname()[1])


def test_a_connection_that_lingers_does_not_count(taken: int) -> None:
    """A port is free again as soon as its server is gone, whatever became of its connections."""
    with socket.create_server((ports.HOST, 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection((ports.HOST, port))
        server.accept()[0].close()
    assert ports.is_free(port)
    client.close()
