"""The Grafana dashboard as a file: the linter's rules, the layout, and what Grafana is provisioned with."""

import json
from collections.abc import Callable
from copy import deepcopy
from itertools import combinations
from typing import Any

import pytest
import yaml

from labkit.resources import resource
from tests.plotting.dashboard_rules import RULES, panels, targets

Json = dict[str, Any]

DASHBOARD: Json = json.loads(resource("configs", "grafana", "dashboards", "labkit.json").read_text())


@pytest.mark.parametrize("rule", RULES)
def test_the_dashboard_keeps_the_linters_rules(rule: str) -> None:
    """Not one violation of any rule of grafana/dashboard-linter."""
    assert list(RULES[rule](DASHBOARD)) == []


def _replace(old: str, new: str) -> Callable[[Json], None]:
    def change(dashboard: Json) -> None:
        for target in targets(dashboard):
            target["expr"] = target["expr"].replace(old, new)

    return change


def _variable(place: int, **values: object) -> Callable[[Json], None]:
    return lambda dashboard: dashboard["templating"]["list"][place].update(values)


def _panel(**values: object) -> Callable[[Json], None]:
    return lambda dashboard: panels(dashboard)[0].update(values)


VIOLATIONS: dict[str, Callable[[Json], None]] = {
    "template-datasource-rule": _variable(0, name="prom"),
    "template-job-rule": _variable(1, allValue=".*"),
    "template-instance-rule": _variable(2, name="host"),
    "template-label-promql-rule": _variable(1, query={"query": "label_values(redis_up{, job)"}),
    "template-on-time-change-reload-rule": _variable(1, refresh=1),
    "panel-datasource-rule": _panel(datasource={"type": "prometheus", "uid": "mine"}),
    "panel-title-description-rule": _panel(description=""),
    "panel-units-rule": _panel(fieldConfig={"defaults": {}}),
    "panel-no-targets-rule": _panel(targets=[]),
    "target-promql-rule": _replace("sum(", "sum((("),
    "target-rate-interval-rule": _replace("$__rate_interval", "5m"),
    "target-job-rule": _replace('job=~"$job"', 'job="$job"'),
    "target-instance-rule": _replace(', instance=~"$instance"', ""),
    "target-counter-agg-rule": _replace("rate(", "max_over_time("),
    "uneditable-dashboard": lambda dashboard: dashboard.update(editable=True),
}


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_finds_its_violation(rule: str) -> None:
    """The rules above are not empty: each finds what it is there to find."""
    broken = deepcopy(DASHBOARD)
    VIOLATIONS[rule](broken)
    assert list(RULES[rule](broken))


def test_grafana_can_import_it_anywhere() -> None:
    """The classic schema, no identity of one installation, a stable address, times in UTC."""
    assert (DASHBOARD["id"], DASHBOARD["uid"], DASHBOARD["schemaVersion"]) == (None, "labkit", 42)
    assert DASHBOARD["timezone"] == "utc"
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_panels_fill_the_grid() -> None:
    """No two panels overlap, and every line of the grid is filled from edge to edge."""
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [
        {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])} for at in places
    ]
    assert all(one.isdisjoint(other) for one, other in combinations(cells, 2))
    bottom = max(at["y"] + at["h"] for at in places)
    assert set.union(*cells) == {(x, y) for x in range(24) for y in range(bottom)}


def test_titles_and_legends_are_unique() -> None:
    """A figure is found by its title, and two queries of a panel do not go by one name."""
    titles = [panel["title"] for panel in panels(DASHBOARD)]
    assert len(set(titles)) == len(titles)
    for panel in panels(DASHBOARD):
        legends = [target["legendFormat"] for target in panel["targets"]]
        assert len(set(legends)) == len(legends)


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    """What Grafana is provisioned with agrees with the compose file, the scrape interval and the dashboard."""
    provisioning = resource("configs", "grafana", "provisioning")
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "labkit.yml").read_text())["providers"]
    scraping = yaml.safe_load(resource("configs", "prometheus.yml").read_text())["global"]
    compose = yaml.safe_load((resource("configs").parent / "docker-compose.yml").read_text())["services"]
    assert source["url"] == "http://prometheus:9090"
    assert "127.0.0.1:9090:9090" in compose["prometheus"]["ports"]
    assert source["jsonData"]["timeInterval"] == scraping["scrape_interval"]
    assert source["uid"] == DASHBOARD["templating"]["list"][0]["current"]["value"]
    assert f"./configs/grafana/dashboards:{provider['options']['path']}:ro" in compose["grafana"]["volumes"]
