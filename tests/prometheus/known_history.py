"""One real Prometheus per session, with a history whose every value is known."""

from collections.abc import Iterator

import pytest

from labkit.prometheus.query import Prometheus
from tests.prometheus.prometheus_server import PrometheusServer, newest_server

# Midnight of 2026-01-01 UTC, and the ten minutes after it: one sample every five seconds.
START, STEP, STEPS = 1_767_225_600, 5, 121
END = START + STEP * (STEPS - 1)
# While this lasts, the series left="…" has no samples.
AWAY = range(40, 61)

AWKWARD = 'a,b=c "quoted" \\back\\ {brace} \n 日本'
BOUNDS = ("5.0", "10.0", "25.0", "+Inf")
# Observations per step in each bucket, not cumulative.
HITS = (0, 10, 5, 0)


def _history() -> Iterator[str]:
    yield "# TYPE events unknown"
    for n in range(STEPS):
        yield f'events{{event="joined"}} {10 * n} {START + STEP * n}'
    for n in range(STEPS):
        if n not in AWAY:
            yield f'events{{event="left"}} {n} {START + STEP * n}'
    yield "# TYPE odd unknown"
    for labels, value in ODD:
        yield f"odd{{{labels}}} {value} {START}.125"
    yield "# TYPE took_ms unknown"
    for place, bound in enumerate(BOUNDS):
        for n in range(STEPS):
            yield f'took_ms{{le="{bound}"}} {sum(HITS[: place + 1]) * n} {START + STEP * n}'
    yield "# EOF\n"


_ESCAPED = AWKWARD.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
ODD = (
    ('case="clash",label_time="1",metric="2",time="3",value="4"', 1),
    (f'case="awkward",text="{_ESCAPED}"', 2),
    ('case="inf"', "+Inf"),
    ('case="nan"', "NaN"),
)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """A Prometheus that knows the history above and scrapes itself."""
    server = PrometheusServer(tmp_path_factory.mktemp("prometheus"), "\n".join(_history()))
    yield server
    server.close()


@pytest.fixture(scope="session")
def newest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """A Prometheus 3 with the same history."""
    server = newest_server(tmp_path_factory.mktemp("newest"), "\n".join(_history()))
    yield server
    server.close()


@pytest.fixture(scope="session")
def prometheus(server: PrometheusServer) -> Prometheus:
    """The queries of that Prometheus."""
    return Prometheus(server.url)
