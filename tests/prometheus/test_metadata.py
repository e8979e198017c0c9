"""The names that a Prometheus knows, and that nobody waits for."""

from pathlib import Path
from time import monotonic

import pytest

from harness.process import free_port
from labkit.prometheus.metadata import Metadata
from tests.prometheus.prometheus_server import PrometheusServer


def test_the_names_are_those_of_prometheus(server: PrometheusServer) -> None:
    """Metrics, labels and values, of everything or of the series of a selector."""
    metadata = Metadata(server.url, timeout=5)
    assert {"events", "odd", "took_ms"} <= set(metadata.metrics())
    assert metadata.labels("took_ms") == ["le"]
    assert {"event", "case", "le"} <= set(metadata.labels())
    # Prometheus 3 has a label of this name, too.
    assert {"joined", "left"} <= set(metadata.values("event"))
    assert metadata.values("event", 'events{event="left"}') == ["left"]


@pytest.mark.parametrize("selector", ["no_such_metric", "wrong{", 'odd{a="\\x"}'])
def test_what_prometheus_does_not_know_is_an_empty_list(server: PrometheusServer, selector: str) -> None:
    """A selector that is wrong, because it is being typed, is no error."""
    metadata = Metadata(server.url, timeout=5)
    assert metadata.values("event", selector) == []
    assert metadata.metrics() != []


def test_an_answer_is_kept_for_a_moment(tmp_path: Path) -> None:
    """Within that time nothing is asked again: the list is there although Prometheus is gone."""
    server = PrometheusServer(tmp_path, "# EOF\n")
    metadata = Metadata(server.url, timeout=5, fresh=600)
    names = metadata.metrics()
    server.close()
    assert metadata.metrics() == names


def test_where_nothing_answers_every_list_is_empty() -> None:
    """A port where nobody listens is an empty list, again and again."""
    metadata = Metadata(f"http://127.0.0.1:{free_port()}")
    assert [metadata.metrics(), metadata.labels(), metadata.values("job")] == [[], [], []]


def test_a_prometheus_that_hangs_is_left_alone(hanging: PrometheusServer) -> None:
    """The first question waits its short time; many more within the pause wait for nothing."""
    metadata = Metadata(hanging.url, timeout=0.5, fresh=0)
    assert metadata.metrics() == []
    began = monotonic()
    assert [metadata.values(f"label_{n}") for n in range(50)] == [[]] * 50
    # One wait for each would be 25 s.
    assert monotonic() - began < 2
