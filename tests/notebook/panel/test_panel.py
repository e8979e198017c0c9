"""The panel without a browser: what it is told, it does to a real lab; what it sees, it says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

import labkit
from harness.process import wait_until
from labkit import Prometheus, Stack
from labkit.errors import StackError
from labkit.notebook.panel import ControlPanel


@pytest.fixture
def panel(stack: Stack) -> Iterator[ControlPanel]:
    """The panel of the module's lab."""
    panel = labkit.controls(stack)
    yield panel
    panel.close()
    wait_until(lambda: not panel.working, "The end of its thread")


def tell(panel: ControlPanel, **message: Any) -> None:
    """As the browser does."""
    panel._handle_custom_msg(message, [])


def seen(panel: ControlPanel) -> dict[str, Any]:
    panel.refresh()
    return dict(panel.reading)


def test_a_fault_is_made_and_mended(stack: Stack, panel: ControlPanel) -> None:
    """Each button does what it says, and the reading has the state."""
    for fault, state in (("pause", "paused"), ("resume", "answering"), ("kill", "dead"), ("start", "answering")):
        tell(panel, do="fault", service="sidecar", fault=fault)
        wait_until(lambda state=state: seen(panel)["services"]["sidecar"] == state, f"{fault} the sidecar")  # type: ignore[misc]  # mypy
        wait_until(lambda: not seen(panel)["busy"], "The end of the job")
    assert panel.notice == {"kind": "news", "text": "sidecar: start: done"}


def test_a_notice_ends_when_it_is_no_longer_true(stack: Stack, panel: ControlPanel) -> None:
    """What is said of a service holds as long as that service is as it was then; there is time to read it."""
    tell(panel, do="fault", service="redis", fault="pause")
    wait_until(lambda: panel.notice, "What became of it")
    assert seen(panel)["services"]["redis"] == "paused"
    assert panel.notice == {"kind": "news", "text": "redis: pause: done"}
    stack.resume("redis")
    assert seen(panel)["services"]["redis"] == "answering"
    wait_until(lambda: seen(panel) and not panel.notice, "The end of the notice")


def test_traffic_flows_as_it_is_turned_and_the_panel_knows(stack: Stack, panel: ControlPanel) -> None:
    """The rate that Prometheus measures follows; another panel finds it as it is."""
    tell(panel, do="traffic", rate=30, shape="steady")
    rate = "sum(rate(api_request_duration_ms_count[4s]))"
    Prometheus(stack.urls["prometheus"]).wait_until(rate, lambda frame: (frame["value"] > 15).any(), timeout=60)
    wait_until(lambda: seen(panel)["traffic"]["sent"] > 15, "Locust's own count")
    assert seen(labkit.controls(stack))["traffic"]["rate"] == 30
    stack.start_traffic(20, "spike")
    traffic = seen(panel)["traffic"]
    assert (traffic["rate"], traffic["shape"]) == (20, "spike")
    tell(panel, do="traffic", rate=0, shape="steady")
    wait_until(lambda: seen(panel)["traffic"]["sent"] == 0, "The end of the traffic")
    stack.stop_traffic()


def test_intervals_are_tuned(stack: Stack, panel: ControlPanel) -> None:
    """The reading has what holds, also if somebody else changed it."""
    tell(panel, do="tune", option="flush_interval", seconds=2)
    wait_until(lambda: seen(panel)["options"]["flush_interval"] == 2, "The interval")
    stack.tune(flush_interval=0.5)
    assert seen(panel)["options"]["flush_interval"] == 0.5


@pytest.mark.parametrize("json", ['{"value":"abc"}', '{"value":[]}', "[]", "garbage"])
def test_a_key_that_makes_no_sense_costs_its_own_stage_only(stack: Stack, panel: ControlPanel, json: str) -> None:
    """Redis is shown without a value, and the panel goes on looking."""
    with redis.Redis.from_url(stack.urls["redis"]) as client:
        client.set("metrics:counter:user_events:event=left", json)
        tell(panel, do="event", event="left")
        assert [stage["value"] for stage in seen(panel)["stages"] if stage["service"] == "redis"] == [None]
        client.delete("metrics:counter:user_events:event=left")
    assert seen(panel)["lab"]
    tell(panel, do="event", event="joined")


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"do": "traffic", "rate": 1e9, "shape": "steady"}, "choose from 0 to"),
        ({"do": "traffic", "rate": "many", "shape": "steady"}, "choose from 0 to"),
        ({"do": "tune", "option": "flush_interval", "seconds": -1}, "flush_interval"),
        ({"do": "fault", "service": "redis", "fault": "__class__"}, "does not know"),
        ({"do": "fault", "service": "../../etc", "fault": "kill"}, "etc"),
        ({"do": "dance"}, "does not know"),
    ],
)
def test_what_makes_no_sense_is_told_and_changes_nothing(
    stack: Stack, panel: ControlPanel, message: dict[str, Any], words: str
) -> None:
    """As an error in the panel, for the person who asked."""
    tell(panel, **message)
    wait_until(lambda: panel.notice.get("kind") == "error", "The error")
    assert words in panel.notice["text"]
    assert {row.state for row in stack.status()} == {"answering"}


def test_it_looks_only_while_somebody_watches(panel: ControlPanel) -> None:
    """A view that comes starts a thread, and the last one that goes ends it."""
    assert not panel.working
    tell(panel, do="here", view="a")
    tell(panel, do="here", view="b")
    wait_until(lambda: panel.reading.get("lab"), "A reading")
    tell(panel, do="gone", view="a")
    assert panel.working
    tell(panel, do="gone", view="b")
    wait_until(lambda: not panel.working, "The end of its thread")


def test_where_no_widget_runs_it_is_a_picture(panel: ControlPanel) -> None:
    """With what the picture shows as text; no widget that nobody could show, and no thread."""
    bundle, _ = panel._repr_mimebundle_()
    assert set(bundle) == {"image/svg+xml", "text/plain"}
    assert "Prometheus: answering" in bundle["text/plain"]
    assert not panel.working


def test_a_lab_may_end_and_come_back_under_it(tmp_path: Path) -> None:
    """Without a lab, it says how to start one; with one that has other ports, it goes on."""
    panel = labkit.controls(Stack.up(home=tmp_path, ports="auto"))
    try:
        Stack.clear(tmp_path)
        assert "labkit up" in seen(panel)["why"]
        assert "labkit up" in panel._repr_mimebundle_()[0]["text/plain"]
        tell(panel, do="fault", service="redis", fault="kill")
        wait_until(lambda: "labkit up" in panel.notice.get("text", ""), "The error")
        Stack.up(home=tmp_path, ports="auto")
        assert set(seen(panel)["services"].values()) == {"answering"}
    finally:
        Stack.clear(tmp_path)


def test_without_a_lab_there_is_no_panel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says how to start one."""
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path))
    with pytest.raises(StackError, match="labkit up"):
        labkit.controls()
