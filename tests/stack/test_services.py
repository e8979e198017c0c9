"""Services are values: what runs is what the files say, and no secret stands in a command."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from labkit.resources import resource
from labkit.stack import binaries
from labkit.stack.options import Options
from labkit.stack.services import SERVICES, Service, prometheus_config, services, urls
from labkit.stack.state import Folder, State

PORTS = {"redis": 21001, "store": 21002, "sidecar": 21003, "prometheus": 21004}


def promtool(config: Path) -> subprocess.CompletedProcess[str]:
    command = [str(binaries.find("promtool").path), "check", "config", str(config)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_committed_configuration_is_valid() -> None:
    """promtool says so, and the addresses are those of docker compose."""
    config = resource("configs", "prometheus.yml")
    assert "SUCCESS" in promtool(config).stdout
    jobs = {job["job_name"]: job for job in yaml.safe_load(config.read_text())["scrape_configs"]}
    assert jobs["labkit"]["static_configs"] == [{"targets": ["sidecar:9121"]}]
    assert jobs["prometheus"]["static_configs"] == [{"targets": ["localhost:9090"]}]
    assert jobs["labkit"]["honor_labels"] is True


def test_the_stack_changes_targets_and_intervals_and_nothing_else(tmp_path: Path) -> None:
    """What is generated is valid, and equals the committed file but for those."""
    text = prometheus_config(State(Options(scrape_interval=0.25), PORTS))
    (tmp_path / "prometheus.yml").write_text(text)
    assert "SUCCESS" in promtool(tmp_path / "prometheus.yml").stdout
    ours, theirs = yaml.safe_load(text), yaml.safe_load(resource("configs", "prometheus.yml").read_text())
    assert ours["global"] == {"scrape_interval": "250ms", "evaluation_interval": "250ms"}
    targets = [job.pop("static_configs")[0]["targets"] for job in ours["scrape_configs"]]
    assert targets == [["127.0.0.1:21003"], ["127.0.0.1:21004"]]
    assert all(job.pop("static_configs") for job in theirs["scrape_configs"])
    assert ours["scrape_configs"] == theirs["scrape_configs"]


@pytest.mark.parametrize("sidecar", ["labkit", "redis_exporter"])
def test_everything_listens_on_loopback_and_redis_is_named_in_the_environment(tmp_path: Path, sidecar: str) -> None:
    """A URL may hold a password, and everybody can read the list of processes."""
    parts = services(State(Options(sidecar=sidecar, server="redis"), PORTS), Folder(tmp_path))  # type: ignore[arg-type]  # one of the two
    assert tuple(part.name for part in parts) == SERVICES
    for part in parts:
        line = " ".join(part.command)
        assert "redis://" not in line
        assert set(re.findall(r"\d+\.\d+\.\d+\.\d+", line)) == {"127.0.0.1"}
    assert urls(PORTS)["redis"] in {*parts[2].environment.values()} & {*parts[1].environment.values()}


def test_a_script_keeps_every_character(tmp_path: Path) -> None:
    """Blanks, quotes, percent signs, semicolons, hashes and line breaks arrive as they are."""
    awkward = "a b'c\"d %(here)s ; e # f\n$HOME `id` \\"
    service = Service("store", ("printf", "%s|%s", awkward, ""), {"AWKWARD": awkward})
    script = tmp_path / "run"
    script.write_text(service.script.replace("exec ", 'test "$AWKWARD" = "$1" && exec ', 1))
    done = subprocess.run(["/bin/sh", script, awkward], capture_output=True, text=True, check=True)
    assert done.stdout == f"{awkward}|"
