"""Our p50, p95 and p99 are what PromQL's histogram_quantile says for the same buckets, to the last digit."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import httpx
import pytest
import redis

from labkit.keyspace.numbers import shortest
from labkit.sidecar.rendering import QUANTILES, render
from tests.prometheus.prometheus_server import PrometheusServer
from tests.sidecar.stock_script import script_samples

AT = 1_700_000_000
Buckets = tuple[list[float], list[int]]

EDGES: list[Buckets] = [
    ([1, 2], [0, 0, 0]),  # nothing was observed
    ([1, 2], [0, 0, 5]),  # all beyond the last bound
    ([1], [7, 0]),
    ([1], [0, 7]),
    ([-5, -1, 0, 3], [4, 1, 1, 1, 0]),
    ([0, 10], [3, 3, 0]),
    ([0.1, 0.2, 0.30000000000000004], [1, 1, 1, 1]),
    ([5, 10, 25], [0, 0, 9, 0]),  # one bucket has all
    ([1e-300, 1e300], [1, 2, 0]),
]


def _cases() -> Iterator[Buckets]:
    yield from EDGES
    random = Random(7)
    for _ in range(40):
        bounds = sorted({random.uniform(-10, 100) for _ in range(random.randint(1, 12))})
        yield bounds, [random.choice((0, random.randint(0, 10**6))) for _ in range(len(bounds) + 1)]


CASES = list(_cases())


def _key(case: int) -> bytes:
    return b"metrics:histogram:h:case=%d" % case


def _json(bounds: list[float], counts: list[int]) -> bytes:
    """The histogram as the writer leaves it."""
    texts = ",".join(map(shortest, bounds)), ",".join(map(str, counts))
    held = f'{{"bounds":[{texts[0]}],"counts":[{texts[1]}],"sum":0,"count":{sum(counts)}'
    return f'{held},"created":1.5,"updated":2.5}}'.encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """A Prometheus that scraped all cases once."""
    lines = ["# TYPE h histogram"]
    for n, (bounds, counts) in enumerate(CASES):
        rendered = render(_key(n), _json(bounds, counts))
        assert rendered
        # OpenMetrics has no sum where a bound is negative, and the quantile needs none.
        lines += [f"{line} {AT}" for line in rendered.body.decode().splitlines() if line.startswith("h_bucket")]
    folder: Path = tmp_path_factory.mktemp("quantiles")
    running = PrometheusServer(folder, "\n".join([*lines, "# EOF", ""]))
    yield running
    running.close()


@pytest.mark.parametrize("name", QUANTILES)
def test_quantiles_are_those_of_promql(server: PrometheusServer, redis_client: redis.Redis, name: str) -> None:
    """Rendered by the sidecar or by the script: the same double, or NaN where PromQL has none."""
    query = {"query": f"histogram_quantile({QUANTILES[name]}, h_bucket)", "time": str(AT)}
    answer = httpx.get(f"{server.url}/api/v1/query", params=query, trust_env=False).json()["data"]["result"]
    theirs = {int(one["metric"]["case"]): repr(float(one["value"][1])) for one in answer}
    redis_client.mset({_key(n): _json(*case) for n, case in enumerate(CASES)})
    redis_client.zadd("metrics.index", {_key(n): n for n in range(len(CASES))})
    script, index = script_samples(redis_client), list(QUANTILES).index(name)
    for n, case in enumerate(CASES):
        lines = render(_key(n), _json(*case))
        assert lines
        assert repr(float(lines.quantile(index).split()[-1])) == theirs[n], case
        assert repr(float(script[f'h_{name}{{case="{n}"}}'])) == theirs[n], case
