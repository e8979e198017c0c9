"""A Prometheus whose past is known, a lab, and a shell of IPython with the magics loaded."""

from collections.abc import Iterator
from pathlib import Path

import plotly.io as pio
import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from labkit import Prometheus, Stack
from labkit.keyspace.connection import connect
from tests.notebook.magics.session import Session
from tests.prometheus import prometheus_server
from tests.prometheus.prometheus_server import PrometheusServer, newest_server

# Midnight of 2026-01-01 UTC, and a minute: one sample every five seconds.
START, STEP, STEPS = 1_767_225_600, 5, 13
END = START + STEP * (STEPS - 1)
SERIES = ('user_events{event="joined",shop="north"}', 'user_events{event="left",shop="south"}')
# Gone before the end.
EXPIRED, LAST_SEEN = 'coupons{kind="spring"}', START + STEP * 3


def _history() -> Iterator[str]:
    yield "# TYPE user_events unknown"
    for series in SERIES:
        for n in range(STEPS):
            yield f"{series} {10 * n} {START + STEP * n}"
    yield "# TYPE coupons unknown"
    for n in range(4):
        yield f"{EXPIRED} {n} {START + STEP * n}"
    yield "# EOF\n"


@pytest.fixture(autouse=True)
def as_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures show themselves as JupyterLab wants them; elsewhere plotly would open a browser."""
    monkeypatch.setattr(pio.renderers, "default", "plotly_mimetype")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """A Prometheus that knows the history above and scrapes itself."""
    server = PrometheusServer(tmp_path_factory.mktemp("prometheus"), "\n".join(_history()))
    Prometheus(server.url).wait_until("up")
    yield server
    server.close()


@pytest.fixture(scope="session")
def prometheus(server: PrometheusServer) -> Prometheus:
    """The queries of that Prometheus."""
    return Prometheus(server.url)


@pytest.fixture(scope="session")
def newest_prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """The queries of a Prometheus 3 with the same history."""
    server = newest_server(tmp_path_factory.mktemp("newest"), "\n".join(_history()))
    yield Prometheus(server.url)
    server.close()


@pytest.fixture
def blank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PrometheusServer]:
    """A Prometheus that scrapes nothing."""
    monkeypatch.setattr(prometheus_server, "CONFIG", "scrape_configs: []")
    server = PrometheusServer(tmp_path, "# EOF\n")
    yield server
    server.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A lab in a home of its own, with one event in it."""
    with Stack.up(home=tmp_path_factory.mktemp("lab"), ports="auto", scrape_interval=0.5, flush_interval=0.5) as stack:
        with connect(stack.urls["redis"], timeout=5) as client:
            client.set("greeting", "hello")
        Prometheus(stack.urls["prometheus"]).wait_until("users_total")
        yield stack


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without a lab, for everything that looks for one."""
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A shell with the magics loaded, and nothing of the person who runs the tests."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path))
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(config=config)
    shell.run_line_magic("load_ext", "labkit")
    yield Session(shell)
    shell.run_line_magic("unload_ext", "labkit")
    InteractiveShell.clear_instance()


@pytest.fixture
def asking(session: Session, lab: Stack, monkeypatch: pytest.MonkeyPatch) -> Session:
    """That shell, where the lab runs."""
    monkeypatch.setenv("LABKIT_HOME", str(lab.home))
    return session
