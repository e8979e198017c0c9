"""The files that containers are made from, parsed: what docker compose reads."""

import re
import tomllib
from collections.abc import Iterator
from string import Template
from typing import Any

import yaml

from tests import ROOT

Fields = dict[str, Any]

PINS = dict(line.split("=", 1) for line in (ROOT / ".env").read_text().splitlines() if re.match(r"\w+=", line))
PYPROJECT: Fields = tomllib.loads((ROOT / "pyproject.toml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
(BASE,) = {line.split()[1] for line in DOCKERFILE if line.startswith("FROM")}


def _parsed(name: str) -> Fields:
    content: Fields = yaml.safe_load(Template((ROOT / name).read_text()).substitute(PINS))
    return content


COMPOSE = _parsed("docker-compose.yml")
SERVICES: dict[str, Fields] = COMPOSE["services"]
# Either of them is what the service `sidecar` extends.
SIDECARS: dict[str, Fields] = _parsed("docker-compose.sidecars.yml")["services"]
# Every service that can run, whole.
ALL = {name: service for name, service in SERVICES.items() if name != "sidecar"}
ALL |= {name: SERVICES["sidecar"] | sidecar for name, sidecar in SIDECARS.items()}


def mounts(service: Fields) -> Iterator[tuple[str, str, str]]:
    """Source, target and mode ("" if none is given) of each volume."""
    for volume in service.get("volumes", ()):
        source, target, mode = (*volume.split(":"), "")[:3]
        yield source, target, mode
