"""The whole pipeline at once: what happened in the store is what Prometheus holds and what every panel shows."""

from collections.abc import Iterator

import httpx
import pandas as pd
import pytest

from labkit import Prometheus, Stack, dashboard
from labkit.experiments import ledger
from labkit.store import client
from labkit.traffic import run as traffic


@pytest.fixture(scope="module", params=["valkey", "redis"])
def lab(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Stack, pd.DataFrame]]:
    """A lab after a short demo, on Valkey and on Redis 7, and the ledger beside Prometheus."""
    home = tmp_path_factory.mktemp(request.param)
    with Stack.up(home=home, ports="auto", scrape_interval=0.5, flush_interval=0.5, server=request.param) as stack:
        assert httpx.get(f"{stack.urls['store']}/api/store/served").status_code == 409
        client.simulate(stack.urls["store"], customers=5, speed=20, seed=1)
        traffic.drive(stack.urls["store"], rate=20, duration=4)
        yield stack, ledger.settle(stack)


def test_prometheus_holds_what_the_ledger_says(lab: tuple[Stack, pd.DataFrame]) -> None:
    """Every row is equal: nothing lost, nothing counted twice, between the request and the query."""
    _, comparison = lab
    assert comparison["equal"].all(), comparison[~comparison["equal"]]
    assert set(comparison["metric"]) >= {"user_events", "api_errors", "api_request_duration_ms_count", "users_total"}


def test_every_panel_has_data(lab: tuple[Stack, pd.DataFrame]) -> None:
    """Each query of the dashboard runs on the real Prometheus and returns something."""
    stack, _ = lab
    prometheus = Prometheus(stack.urls["prometheus"])
    empty = [query for query in dashboard.queries("1m", scrape_interval=0.5) if prometheus.query(query.promql).empty]
    assert empty == []


def test_the_dashboard_is_drawn(lab: tuple[Stack, pd.DataFrame]) -> None:
    """plotly draws every panel of the Grafana dashboard with traces of its own."""
    stack, _ = lab
    figures = dashboard.figures(Prometheus(stack.urls["prometheus"]), last="1m")
    assert [title for title, figure in figures.items() if not figure.data] == []
