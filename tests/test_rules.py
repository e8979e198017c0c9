"""The rules in configs/rules/: promtool runs their cases, both stacks load them, a real lab has what they ask for."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
import yaml

from harness.process import wait_until
from labkit import RedisMetricsService, Stack, resources
from labkit.stack import binaries
from labkit.stack.options import Options
from labkit.stack.services import SERVICES, prometheus_config
from labkit.stack.state import State
from tests import ROOT
from tests.plotting.dashboard_rules import selectors

RULES = ROOT / "configs/rules"
FILES = ["labkit.alerts", "labkit.recording"]
Fields = dict[str, Any]


def promtool(*arguments: str | Path) -> str:
    """What promtool prints; if it finds a fault, the test fails with its words."""
    command = [str(binaries.find("promtool").path), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules(name: str) -> list[Fields]:
    groups = yaml.safe_load((RULES / f"{name}.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def cases(name: str, kind: str) -> list[Fields]:
    tests = yaml.safe_load((RULES / f"tests/{name}.test.yml").read_text())["tests"]
    return [case for test in tests for case in test.get(kind, ())]


ALERTS = {rule["alert"]: rule for rule in rules("labkit.alerts")}
RECORDED = {rule["record"]: rule for rule in rules("labkit.recording")}


# The files


@pytest.mark.parametrize("name", FILES)
def test_the_rules_are_valid(name: str) -> None:
    """No mistake and no duplicate."""
    assert "SUCCESS" in promtool("check", "rules", "--lint=all", "--lint-fatal", RULES / f"{name}.yml")


@pytest.mark.parametrize("name", FILES)
def test_the_rules_keep_what_their_cases_promise(name: str) -> None:
    """When an alert fires and when it does not, and the values that are recorded."""
    assert "SUCCESS" in promtool("test", "rules", RULES / f"tests/{name}.test.yml")


def test_every_alert_has_cases_for_both() -> None:
    """One in which it fires, and one in which it does not."""
    found = {(case["alertname"], bool(case.get("exp_alerts"))) for case in cases("labkit.alerts", "alert_rule_test")}
    assert found == {(alert, fires) for alert in ALERTS for fires in (True, False)}


def test_every_recorded_series_has_expected_samples() -> None:
    """Each is asked for by its name."""
    found = cases("labkit.recording", "promql_expr_test")
    assert all(case["exp_samples"] for case in found)
    assert {selector.name for case in found for selector in selectors(case["expr"])} == set(RECORDED)


def test_every_alert_is_explained() -> None:
    """docs/alerts.md has a chapter for each, in the same order; each names its severity and its chapter."""
    page = (ROOT / "docs/alerts.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (Labkit\w+)$", page, re.MULTILINE) == list(ALERTS)
    for name, rule in ALERTS.items():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["runbook"] == f"docs/alerts.md#{name.lower()}"


# Who loads them


def test_the_container_finds_the_rules(tmp_path: Path) -> None:
    """With the mounts of the compose file, promtool finds both files, and no test beside them."""
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["prometheus"]
    for source, target, _ in (volume.split(":") for volume in service["volumes"] if volume.startswith("./")):
        inside = tmp_path / target.lstrip("/")
        inside.parent.mkdir(parents=True, exist_ok=True)
        inside.symlink_to(ROOT / source)
    (flag,) = (argument for argument in service["command"] if argument.startswith("--config.file=/"))
    assert "2 rule files found" in promtool("check", "config", tmp_path / flag.removeprefix("--config.file=/"))


def test_the_local_lab_finds_the_rules_wherever_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in a folder whose name would be a pattern."""
    odd = tmp_path / "a [b] c?"
    shutil.copytree(ROOT / "configs", odd / "configs")
    monkeypatch.setattr(resources, "_ROOT", odd)
    config = tmp_path / "prometheus.yml"
    config.write_text(prometheus_config(State(Options(), dict.fromkeys(SERVICES, 1))))
    assert "2 rule files found" in promtool("check", "config", config)


# In a real lab


@pytest.fixture(scope="module", params=["labkit", "redis_exporter"])
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A lab whose Prometheus has seen its writer once."""
    home = tmp_path_factory.mktemp(request.param)
    with Stack.up(home=home, ports="auto", scrape_interval=1, flush_interval=0.5, sidecar=request.param) as stack:
        wait_until(lambda: "labkit_writer_batches_total" in names(stack), "the writer showing in Prometheus")
        yield stack


def asked(lab: Stack, path: str) -> Any:
    return httpx.get(f"{lab.urls['prometheus']}/api/v1/{path}").raise_for_status().json()["data"]


def names(lab: Stack) -> set[str]:
    return set(asked(lab, "label/__name__/values"))


def alerts(lab: Stack) -> dict[str, Fields]:
    return {alert["labels"]["alertname"]: alert for alert in asked(lab, "alerts")["alerts"]}


def poison(url: str) -> None:
    """Leave a value where a series should be: it cannot be read, and a writer's change cannot be applied."""
    key = "metrics:counter:poisoned"
    with redis.Redis.from_url(url) as client:
        client.set(key, "garbage")
        client.zadd("metrics.index", {key: client.hincrby("metrics.state", "version", 1)})
    with RedisMetricsService(url) as writer:
        writer.counter("poisoned", "Held by something else.").inc()


def test_a_lab_has_what_the_rules_ask_for(lab: Stack) -> None:
    """With either sidecar: every series that a rule names is there after a fault, every rule can be evaluated, and a
    drop raises its alert at once."""
    httpx.post(f"{lab.urls['store']}/api/store/join").raise_for_status()
    poison(lab.urls["redis"])
    every = (*ALERTS.values(), *RECORDED.values())
    wanted = {selector.name for rule in every for selector in selectors(rule["expr"])} | {*RECORDED}
    wait_until(lambda: wanted <= names(lab), "every series of the rules showing in Prometheus")
    wait_until(lambda: "LabkitSeriesDropped" in alerts(lab), "the alert")
    # An increase is extrapolated to the whole window, so it may be more than 1.
    summary = alerts(lab)["LabkitSeriesDropped"]["annotations"]["summary"]
    assert re.fullmatch(r"Changes to series that Redis could not take: \d \(json\)\.", summary)
    loaded = [rule for group in asked(lab, "rules")["groups"] for rule in group["rules"]]
    assert [(rule["name"], rule["health"]) for rule in loaded] == [(name, "ok") for name in (*ALERTS, *RECORDED)]


def test_a_redis_that_lost_its_data_is_told_at_once(lab: Stack) -> None:
    """The writer counts what was forgotten, and writes that among the first."""
    with redis.Redis.from_url(lab.urls["redis"]) as client:
        client.flushall()
    wait_until(lambda: "LabkitBatchesForgotten" in alerts(lab), "the alert")
    assert alerts(lab)["LabkitBatchesForgotten"]["state"] == "firing"


def test_a_redis_that_stops_is_told_and_forgotten_when_it_is_back(lab: Stack) -> None:
    """It waits for its minute, and nothing else is blamed: neither the sidecar nor the writer."""
    with lab.stopped("redis"):
        wait_until(lambda: "LabkitRedisDown" in alerts(lab), "the alert")
        alert = alerts(lab)["LabkitRedisDown"]
        assert (alert["state"], alert["labels"]["job"]) == ("pending", "labkit")
        assert alerts(lab).keys().isdisjoint({"LabkitSidecarDown", "LabkitWriterSilent"})
    wait_until(lambda: "LabkitRedisDown" not in alerts(lab), "the alert ending")
