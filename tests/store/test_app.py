"""The store behind HTTP."""

import json
import signal
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import redis
from fastapi.testclient import TestClient

from harness.process import free_port, wait_until
from labkit import RedisMetricsService
from labkit.errors import ConnectionFailed, LabkitError, PortInUse
from labkit.store.app import create_app, serve
from labkit.store.simulation import MAX_RUNNING
from tests.store.process import Start

API = "/api/store"


def status(store: TestClient) -> Any:
    return store.get(f"{API}/status").json()


def finished(store: TestClient, body: dict[str, Any]) -> Any:
    """The status of a simulation, once it is no longer running."""
    url = store.post(f"{API}/simulate", json=body).headers["Location"]
    wait_until(lambda: store.get(url).json()["state"] != "running", "the end of the simulation")
    return store.get(url).json()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_visit(store: TestClient, method: str) -> None:
    """Each step answers with the event and the counts after it, by GET and by POST."""
    steps = ["join", "look-around", "served", "join", "left"]
    answers = [store.request(method, f"{API}/{step}").json() for step in steps]
    assert [answer["event"] for answer in answers] == ["joined", "looked_around", "served", "joined", "left"]
    assert answers[1]["counts"] == {"waiting": 0, "active": 1, "served": 0, "total": 1}
    assert answers[-1]["counts"] == {"waiting": 0, "active": 0, "served": 1, "total": 2}


@pytest.mark.parametrize("step", ["look-around", "served", "left"])
def test_an_empty_store_refuses(store: TestClient, written: Callable[[str], Any], step: str) -> None:
    """A step that cannot happen is a 409 with a reason, and a failure in the ledger and in the metrics."""
    answer = store.get(f"{API}/{step}")
    assert answer.status_code == 409
    assert answer.json()["detail"].startswith("Nobody is waiting")
    line = {"endpoint": f"{API}/{step}", "method": "GET", "answered": 1, "failed": 1}
    assert status(store)["ledger"]["requests"] == [line]
    assert written(f"counter:api_errors:endpoint={API}/{step}")["value"] == 1


def test_the_status_says_how_far_redis_is_behind(store: TestClient, metrics: RedisMetricsService) -> None:
    """What waits, until when, and why it did not go through, if it did not."""
    metrics.flush()
    store.get(f"{API}/join")
    writer = status(store)["writer"]
    assert writer["pending"] > 0
    assert writer["error"] == ""
    assert 0 < writer["next_try"] <= metrics.flush_interval


def test_reading_the_ledger_does_not_change_it(store: TestClient) -> None:
    """Monitoring leaves no trace in what it looks at; everything else does."""
    for path in (f"{API}/status", "/-/healthy", "/docs", "/openapi.json"):
        assert store.get(path).status_code == 200
    assert status(store)["ledger"]["requests"] == []
    store.get("/nowhere")
    line = {"endpoint": "unmatched", "method": "GET", "answered": 1, "failed": 1}
    assert status(store)["ledger"]["requests"] == [line]


def test_the_ledger_and_redis_agree(store: TestClient, written: Callable[[str], Any]) -> None:
    """What the store wrote to Redis is what its ledger says, event by event and endpoint by endpoint."""
    for step in ["join", "join", "join", "look-around", "served", "served", "left", "left", "nowhere"]:
        store.get(f"{API}/{step}")
    now = status(store)
    assert now["ledger"]["events"] == {"joined": 3, "looked_around": 1, "served": 2, "left": 1}
    for event, count in now["ledger"]["events"].items():
        assert written(f"counter:user_events:event={event}")["value"] == count
    for name, count in now["counts"].items():
        assert written(f"gauge:users_{name}:service=store")["value"] == count
    for line in now["ledger"]["requests"]:
        labels = f"endpoint={line['endpoint']},method={line['method']}"
        assert written(f"histogram:api_request_duration_ms:{labels}")["count"] == line["answered"]
        assert written(f"counter:api_errors:endpoint={line['endpoint']}")["value"] == line["failed"]


def test_all_series_are_there_from_the_start(
    store: TestClient, written: Callable[[str], Any], redis_client: redis.Redis
) -> None:
    """Series start at zero before the first customer, so that no first increment is lost to a rate."""
    assert written("counter:user_events:event=left")["value"] == 0
    assert written("gauge:users_active:service=store")["value"] == 0
    keys: Any = redis_client.keys("metrics:*:api_*")
    # Four steps by GET and POST, a simulation to start and one to look at; errors once for each endpoint.
    assert len([key for key in keys if b"duration" in key]) == 10
    assert len([key for key in keys if b"errors" in key]) == 6


def test_a_simulation_runs_in_the_store(store: TestClient, written: Callable[[str], Any]) -> None:
    """A simulation answers at once with where to look, and its events reach the ledger and the metrics."""
    answer = store.post(f"{API}/simulate", json={"customers": 30, "speed": 10000, "seed": 4})
    assert answer.status_code == 202
    assert answer.headers["Location"] == answer.json()["status_url"]
    url = answer.json()["status_url"]
    wait_until(lambda: store.get(url).json()["state"] == "finished", "the end of the simulation")
    report, now = store.get(url).json(), status(store)
    assert report["events"] == now["ledger"]["events"]
    assert report == now["simulations"][0]
    assert report["events"]["joined"] == 30 == written("counter:user_events:event=joined")["value"]


def test_the_same_seed_is_the_same_day(store: TestClient) -> None:
    """A seed gives the same events up to the same second; without one the answer tells which was drawn."""
    body = {"customers": 40, "speed": 10000, "seed": 11}
    first, second = finished(store, body), finished(store, body)
    assert first["events"] == second["events"]
    assert first["simulated_seconds"] == second["simulated_seconds"]
    assert isinstance(store.post(f"{API}/simulate").json()["seed"], int)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"customers": 0}', "customers: Input should be greater than or equal to 1"),
        ('{"customers": 10001}', "customers: Input should be less than or equal to 10000"),
        ('{"arrival_rate": 0}', "arrival_rate: Input should be greater than or equal to 0.001"),
        ('{"speed": 10001}', "speed: Input should be less than or equal to 10000"),
        ('{"speed": NaN}', "speed: Input should be a finite number"),
        ('{"speed": 1e999}', "speed: Input should be a finite number"),
        ('{"seed": -1}', "seed: Input should be greater than or equal to 0"),
        ('{"sped": 1}', "sped: Extra inputs are not permitted"),
        ('{"customers": 10000, "speed": 0.1}', "body: It would take 200000 s, and may take 3600 s"),
        ("[", "body: JSON decode error"),
    ],
)
def test_simulations_have_bounds(store: TestClient, body: str, message: str) -> None:
    """What is out of bounds is a 422 that says what would be right, and starts nothing."""
    answer = store.post(f"{API}/simulate", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert message in answer.json()["detail"]
    assert status(store)["simulations"] == []


def test_too_many_simulations(store: TestClient) -> None:
    """One simulation too many is told to wait; an unknown one is not found."""
    slow = {"customers": 100, "speed": 0.1}
    answers = [store.post(f"{API}/simulate", json=slow) for _ in range(MAX_RUNNING + 1)]
    assert [answer.status_code for answer in answers] == [202] * MAX_RUNNING + [429]
    assert "wait for one" in answers[-1].json()["detail"]
    assert store.get(f"{API}/simulations/none").status_code == 404


def test_there_is_no_metrics_endpoint(store: TestClient) -> None:
    """Metrics leave through Redis only; the documentation shows every endpoint there is, each under its own id."""
    assert store.get("/metrics").status_code == 404
    paths = store.get("/openapi.json").json()["paths"]
    assert len(paths) == 9
    assert {tuple(paths[f"{API}/{step}"]) for step in ("join", "look-around", "served", "left")} == {("get", "post")}
    ids = [operation["operationId"] for methods in paths.values() for operation in methods.values()]
    assert len(ids) == len(set(ids)) == 14


def test_nothing_happens_after_the_last_flush(metrics: RedisMetricsService, redis_client: redis.Redis) -> None:
    """Simulations end before the metrics do: what the ledger has at the end is in Redis."""
    app = create_app(metrics, close_metrics=True)
    with TestClient(app) as store:
        store.post(f"{API}/simulate", json={"customers": 10_000, "arrival_rate": 100, "speed": 50})
        wait_until(lambda: status(store)["counts"]["total"] > 100, "a crowd")
    joined: Any = redis_client.get("metrics:counter:user_events:event=joined")
    assert json.loads(joined)["value"] == status(TestClient(app))["ledger"]["events"]["joined"]


def test_a_store_opens_empty(redis_url: str, redis_client: redis.Redis) -> None:
    """When a store starts again its gauges show an empty shop, whatever they said before; its counters go on."""
    for joined in (1, 2):
        with RedisMetricsService(redis_url, flush_interval=600) as metrics:
            store = TestClient(create_app(metrics))
            metrics.flush()
            waiting: Any = redis_client.get("metrics:gauge:users_waiting:service=store")
            assert json.loads(waiting)["value"] == 0
            store.get(f"{API}/join")
        total: Any = redis_client.get("metrics:counter:user_events:event=joined")
        assert json.loads(total)["value"] == joined


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_the_end_sends_the_last_values(
    store_process: Start, redis_url: str, redis_client: redis.Redis, end: signal.Signals
) -> None:
    """A store that is told to end first writes what it recorded since the last flush."""
    url, process = store_process(redis_url)
    httpx.get(f"{url}{API}/join")
    # Its one customer arrives minutes later: it is there to be cancelled.
    httpx.post(f"{url}{API}/simulate", json={"customers": 1, "arrival_rate": 0.01, "speed": 0.1, "seed": 1})
    assert not redis_client.exists("metrics:counter:user_events:event=joined")
    process.stop(end, timeout=10)
    assert "Traceback" not in process.log
    text: Any = redis_client.get("metrics:counter:user_events:event=joined")
    assert json.loads(text)["value"] == 1


def test_a_store_without_redis(store_url: str) -> None:
    """Customers do not notice that Redis is away."""
    assert httpx.get(f"{store_url}{API}/join").json()["event"] == "joined"
    assert httpx.get(f"{store_url}{API}/left").json()["event"] == "left"


def test_a_store_without_redis_ends(store_process: Start) -> None:
    """Told to end while Redis is away, it says in one line what was not written, and ends in time."""
    _, process = store_process(f"redis://127.0.0.1:{free_port()}/0")
    process.stop(timeout=10)
    assert "did not acknowledge everything" in process.log
    assert "Traceback" not in process.log


def test_wrong_addresses_are_told(store_url: str) -> None:
    """A busy port, a host that is not ours and a wrong Redis URL are each one clear error."""
    taken = int(store_url.rpartition(":")[2])
    with pytest.raises(PortInUse, match=f"Port {taken} on 127.0.0.1 is taken"):
        serve("redis://127.0.0.1:1/0", "127.0.0.1", taken)
    with pytest.raises(LabkitError, match=r"Cannot listen on 192\.0\.2\.1:0"):
        serve("redis://127.0.0.1:1/0", "192.0.2.1", 0)
    with pytest.raises(ConnectionFailed, match="not a valid Redis URL"):
        serve("nonsense", "127.0.0.1", 0)
