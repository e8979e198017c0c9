"""Where an event is: what each stage of a real lab knows of it, also when one is broken."""

from time import monotonic

import httpx
import pytest

from harness.process import wait_until
from labkit import Prometheus, Stack
from labkit.notebook.panel.pipeline_probe import PipelineProbe, StageReading

ORDER = ["store", "redis", "sidecar", "prometheus"]


def look(stack: Stack, probe: PipelineProbe) -> list[StageReading]:
    return probe.read(stack.status(), "joined")


def join(stack: Stack) -> None:
    httpx.post(f"{stack.urls['store']}/api/store/join").raise_for_status()


@pytest.fixture
def probe(stack: Stack) -> PipelineProbe:
    """A probe at whose end an event has arrived."""
    probe = PipelineProbe()
    join(stack)
    wait_until(lambda: len({stage.value for stage in look(stack, probe)}) == 1, "The event's arrival everywhere")
    return probe


def test_an_event_is_first_in_the_application_and_at_last_everywhere(stack: Stack, probe: PipelineProbe) -> None:
    """The stages stand in their order; what is under way is known before it has arrived."""
    before = look(stack, probe)[0].value
    join(stack)
    first = look(stack, probe)
    assert [stage.service for stage in first] == ORDER
    assert first[0].value == (before or 0) + 1
    wait_until(lambda: look(stack, probe)[-1].value == first[0].value, "The event's arrival in Prometheus")
    assert {stage.state for stage in look(stack, probe)} == {"answering"}


def test_each_stage_knows_how_old_its_value_is(stack: Stack, probe: PipelineProbe) -> None:
    """In seconds: nothing for the application, then at most one flush, and after it one scrape."""
    for _ in range(3):
        join(stack)
    wait_until(lambda: all(stage.age is not None for stage in look(stack, probe)), "An age for each stage")
    ages = [stage.age or 0.0 for stage in look(stack, probe)]
    assert ages[0] == 0
    assert all(0 <= age < 30 for age in ages)


@pytest.mark.parametrize("service", ORDER)
def test_a_stage_that_hangs_holds_nobody_up_and_keeps_its_last_value(
    stack: Stack, probe: PipelineProbe, service: str
) -> None:
    """It is shown as it is; it says nothing new, and what it said last is remembered."""
    known = {stage.service: stage.value for stage in look(stack, probe)}
    with stack.paused(service):
        started = monotonic()
        seen = {stage.service: stage for stage in look(stack, probe)}
        assert monotonic() - started < 10
    assert (seen[service].state, seen[service].value) == ("paused", None)
    assert seen[service].last == known[service]


def test_the_application_says_when_it_tries_again(stack: Stack, probe: PipelineProbe) -> None:
    """While Redis is away: at most a second later, however long that lasts; and nothing when all is well."""
    with stack.paused("redis"):
        wait_until(lambda: look(stack, probe)[0].tries_in is not None, "A failed attempt")
        for _ in range(3):
            tries_in = look(stack, probe)[0].tries_in
            assert tries_in is not None
            assert tries_in <= 1
    wait_until(lambda: look(stack, probe)[0].tries_in is None, "An attempt that succeeded")


def test_the_stock_sidecar_is_understood_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    """It has the whole name in a label; the value and its age are found all the same."""
    options = {"scrape_interval": 0.5, "flush_interval": 0.5}
    home = tmp_path_factory.mktemp("stock")
    with Stack.up(home=home, ports="auto", sidecar="redis_exporter", **options) as stack:  # type: ignore[arg-type]  # floats
        probe = PipelineProbe()
        join(stack)
        wait_until(lambda: {stage.value for stage in look(stack, probe)} == {1.0}, "The event's arrival everywhere")
        assert look(stack, probe)[2].age is not None


def test_no_stage_has_more_than_the_one_before(stack: Stack, probe: PipelineProbe) -> None:
    """However quickly events come while it looks."""
    stack.start_traffic(50)
    Prometheus(stack.urls["prometheus"]).wait_until("sum(rate(user_events[4s])) > 10", timeout=60)
    for _ in range(20):
        values = [stage.value or 0 for stage in look(stack, probe)]
        assert values == sorted(values, reverse=True)
    stack.stop_traffic()
