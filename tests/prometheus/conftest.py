"""The queries of a Prometheus whose every value is known, and a Prometheus that hangs."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.prometheus.known_history import newest, prometheus, server
from tests.prometheus.prometheus_server import PrometheusServer

__all__ = ["newest", "prometheus", "server"]


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[PrometheusServer]:
    """A Prometheus that was stopped in its tracks: its port is open, and nothing answers."""
    server = PrometheusServer(tmp_path, "# EOF\n")
    server.process.send_signal(signal.SIGSTOP)
    yield server
    server.process.send_signal(signal.SIGCONT)
    server.close()
