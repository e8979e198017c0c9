"""A running lab is turned: intervals and traffic change, and no process is started anew."""

from collections.abc import Iterator

import httpx
import pytest

from harness.process import wait_until
from labkit import Prometheus
from labkit.errors import ConnectionFailed, LabkitError, ServiceFailed, StackError
from labkit.stack import Stack
from labkit.traffic.client import HIGHEST_RATE, LocustClient


def flush_interval(stack: Stack) -> float:
    return float(httpx.get(f"{stack.urls['store']}/-/flush-interval").json()["seconds"])


def scrapes_every(stack: Stack, seconds: float) -> None:
    """Prometheus goes over its targets every five seconds, at its start and when it is told something new."""
    prometheus = Prometheus(stack.urls["prometheus"])
    wait_until(lambda: prometheus.scrape_interval("labkit") == seconds, f"A scrape every {seconds} s")


@pytest.fixture
def tuned(stack: Stack) -> Iterator[Stack]:
    """The module's lab, which has its intervals back after the test."""
    yield stack
    stack.tune(scrape_interval=0.5, flush_interval=0.5)


@pytest.fixture
def locust(stack: Stack) -> Iterator[LocustClient]:
    """Locust, which sends customers through the lab's store."""
    stack.start_traffic(rate=20)
    yield LocustClient(stack.urls["locust"])
    stack.stop_traffic()


def test_intervals_change_while_everything_runs(tuned: Stack) -> None:
    """The store and Prometheus go by them, in the same processes, and who looks at the lab is told."""
    before = {row.service: row.pid for row in tuned.status()}
    tuned.tune(scrape_interval=1, flush_interval=2)
    assert flush_interval(tuned) == 2
    scrapes_every(tuned, 1)
    assert {row.service: row.pid for row in tuned.status()} == before
    assert Stack.attach(tuned.home).options == tuned.options
    with pytest.raises(StackError, match=r"flush_interval"):
        Stack.up(home=tuned.home, ports="auto", scrape_interval=0.5, flush_interval=0.5)


@pytest.mark.parametrize("interval", [0, -1, float("nan"), float("inf")])
@pytest.mark.parametrize("option", ["scrape_interval", "flush_interval"])
def test_an_interval_that_makes_no_sense_changes_nothing(tuned: Stack, option: str, interval: float) -> None:
    """The error names the option."""
    with pytest.raises(LabkitError, match=option):
        tuned.tune(**{option: interval})
    assert (tuned.options.scrape_interval, flush_interval(tuned)) == (0.5, 0.5)


def test_a_dead_store_starts_with_the_new_interval(tuned: Stack) -> None:
    """So does a Prometheus."""
    for service in ("store", "prometheus"):
        tuned.kill(service)
    tuned.tune(scrape_interval=1, flush_interval=2)
    for service in ("store", "prometheus"):
        tuned.start(service)
    assert flush_interval(tuned) == 2
    scrapes_every(tuned, 1)


@pytest.mark.parametrize(("service", "option"), [("store", "flush_interval"), ("prometheus", "scrape_interval")])
def test_a_paused_service_takes_no_orders(tuned: Stack, service: str, option: str) -> None:
    """The error says how to wake it, and nothing hangs or has changed."""
    with tuned.paused(service), pytest.raises(ServiceFailed, match=rf"resume\('{service}'\)"):
        tuned.tune(**{option: 2})
    assert (tuned.options.scrape_interval, flush_interval(tuned)) == (0.5, 0.5)


def test_traffic_is_turned_while_it_flows(stack: Stack, locust: LocustClient) -> None:
    """As many customers as requests per second; another rate holds in the same Locust; nobody is a rate, too."""
    pid = next(row.pid for row in stack.status() if row.service == "locust")
    for rate in (20, 5):
        stack.start_traffic(rate)
        wait_until(lambda rate=rate: locust.stats().customers == rate, f"{rate} customers")  # type: ignore[misc]  # mypy
    wait_until(lambda: locust.stats().rate > 1, "Requests")
    stack.start_traffic(0)
    wait_until(lambda: not locust.stats().running, "The end of the traffic")
    assert locust.stats().failures == 0
    assert next(row.pid for row in stack.status() if row.service == "locust") == pid


@pytest.mark.parametrize(("rate", "shape"), [(-1, "steady"), (HIGHEST_RATE + 1, "steady"), (5, "round")])
def test_traffic_that_cannot_be_is_refused(stack: Stack, rate: float, shape: str) -> None:
    """Before anything is started; the error says what there can be."""
    with pytest.raises(LabkitError, match=r"choose"):
        stack.start_traffic(rate, shape)  # type: ignore[arg-type]  # what people get wrong
    assert "locust" not in stack.urls


def test_without_locust_there_is_nothing_to_turn(stack: Stack) -> None:
    """Once stopped it is gone, also from the list of services; stopping it again does no harm."""
    stack.start_traffic(rate=1)
    url = stack.urls["locust"]
    for _ in range(2):
        stack.stop_traffic()
    assert "locust" not in {row.service for row in stack.status()}
    with pytest.raises(ConnectionFailed, match="start_traffic"):
        LocustClient(url).stats()
