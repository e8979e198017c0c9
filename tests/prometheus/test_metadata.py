"""The names that a Prometheus knows, and that nobody waits for."""

from pathlib import Path
from time import monotonic

import pytest

from harness.process import free_port
from labkit.prometheus.metadata import Catalogue
from tests.prometheus.prometheus_server import PrometheusServer


def test_the_names_are_those_of_prometheus(server: PrometheusServer) -> None:
    """Metrics, labels and values, of everything or of the series of a selector."""
    catalogue = Catalogue(server.url, timeout=5)
    assert {"events", "odd", "took_ms"} <= set(catalogue.metrics())
    assert catalogue.labels("took_ms") == ["le"]
    assert {"event", "case", "le"} <= set(catalogue.labels())
    # Prometheus 3 has a label of this name, too.
    assert {"joined", "left"} <= set(catalogue.values("event"))
    assert catalogue.values("event", 'events{event="left"}') == ["left"]
    catalogue.close()


@pytest.mark.parametrize("selector", ["no_such_metric", "wrong{", 'odd{a="\\x"}'])
def test_what_prometheus_does_not_know_is_an_empty_list(server: PrometheusServer, selector: str) -> None:
    """A selector that is wrong, because it is being typed, is no error."""
    catalogue = Catalogue(server.url, timeout=5)
    assert catalogue.values("event", selector) == []
    assert catalogue.metrics() != []
    catalogue.close()


def test_an_answer_is_kept_for_a_moment(tmp_path: Path) -> None:
    """Within that time nothing is asked again: the list is there although Prometheus is gone."""
    server = PrometheusServer(tmp_path, "# EOF\n")
    catalogue = Catalogue(server.url, timeout=5, fresh=600)
    names = catalogue.metrics()
    server.close()
    assert catalogue.metrics() == names
    catalogue.close()


def test_where_nothing_answers_every_list_is_empty() -> None:
    """A port where nobody listens is an empty list, again and again."""
    catalogue = Catalogue(f"http://127.0.0.1:{free_port()}")
    assert [catalogue.metrics(), catalogue.labels(), catalogue.values("job")] == [[], [], []]
    catalogue.close()


def test_a_prometheus_that_hangs_is_left_alone(hanging: PrometheusServer) -> None:
    """The first question waits its short time; many more within the pause wait for nothing."""
    catalogue = Catalogue(hanging.url, timeout=0.5, fresh=0)
    assert catalogue.metrics() == []
    began = monotonic()
    assert [catalogue.values(f"label_{n}") for n in range(50)] == [[]] * 50
    # One wait for each would be 25 s.
    assert monotonic() - began < 2
    catalogue.close()
