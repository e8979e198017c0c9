"""Prometheus goes away and comes back: it is said, and nothing is missing afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import labkit
from labkit.errors import QueryError
from labkit.notebook.live.sources import source
from labkit.notebook.live.update_stream import UpdateStream
from labkit.prometheus.query import Prometheus
from tests.notebook.live.browser import Page
from tests.notebook.live.conftest import START
from tests.prometheus.prometheus_server import PrometheusServer


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[PrometheusServer]:
    """A Prometheus to end."""
    page = "\n".join(["# TYPE seen unknown", *(f"seen {n} {START + n}" for n in range(200)), "# EOF\n"])
    server = PrometheusServer(tmp_path, page)
    yield server
    server.close()


def test_another_prometheus_is_found_and_nothing_is_missing(mortal: PrometheusServer, server: PrometheusServer) -> None:
    """A lab that comes back on other ports is asked for all that came meanwhile."""
    urls = [mortal.url]
    updates, page = UpdateStream(source("seen", lambda: Prometheus(urls[-1]), 1, 60)), Page()
    updates.ask(START + 30)
    page.take(updates.whole())
    mortal.process.terminate()
    mortal.process.wait(10)
    with pytest.raises(QueryError, match="No Prometheus answers"):
        updates.ask(START + 40)
    urls.append(server.url)
    updates.ask(START + 50)
    page.take(updates.change())
    assert page.parts[0]["layout"]["xaxis"]["range"][1] == (START + 49) * 1000
    assert {"always", "breaks"} <= {name.split(" · ")[-1] for name in page.lines()}


def test_what_cannot_be_live_is_refused(prometheus: Prometheus) -> None:
    """A wrong query says what Prometheus says; a number is no source; a function must draw."""
    with pytest.raises(QueryError, match="parse error"):
        labkit.live("rate(", prometheus=prometheus)
    with pytest.raises(QueryError, match="42 cannot be live"):
        labkit.live(42, prometheus=prometheus)  # type: ignore[arg-type]
    with pytest.raises(QueryError, match="not a plotly figure"):
        labkit.live(lambda: 42, prometheus=prometheus)
    with pytest.raises(QueryError, match="not a valid duration"):
        labkit.live("up", every="soon", prometheus=prometheus)
