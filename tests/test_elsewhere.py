"""Binder and the devcontainer, without either: what their files ask for is done in a clone, as they would do it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import nbformat
import pytest

from harness.process import listens, wait_until
from labkit.extras import DISTRIBUTION
from tests import ROOT

BINDER = ROOT / ".binder"
DEVCONTAINER = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
# Nothing of the person who runs this is seen, except labkit's cache: that it can be filled is tested elsewhere.
CACHE = "LABKIT_CACHE"
MADE = (".git", ".venv", ".labkit", "out", "dist", "build", ".hypothesis", ".*_cache", "__pycache__")
FOREIGN = ("VIRTUAL_ENV", "LABKIT_", "JUPYTER", "IPYTHON", "PYTHON", "MAKE", "MFLAGS", "PYTEST")

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a program there finds."""
    kept = {name: value for name, value in os.environ.items() if name == CACHE or not name.startswith(FOREIGN)}
    browser = tmp_path_factory.mktemp("browser") / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {browser}.opened\n')
    browser.chmod(0o755)
    return kept | {"BROWSER": f"{browser} %s"}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Path:
    """The project's files, without what its targets made, after the devcontainer's first command."""
    folder = tmp_path_factory.mktemp("clone") / "labkit"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*MADE))
    # An environment that `make` made here, and considers up to date, is what it would make there.
    finished = subprocess.run(["make", "--question", ".venv/.lab"], cwd=ROOT, env=environment, check=False)
    if Path(sys.prefix) == ROOT / ".venv" and finished.returncode == 0:
        (folder / ".venv").symlink_to(sys.prefix)
    run("sh", "-c", DEVCONTAINER["postCreateCommand"], cwd=folder, environment=environment)
    return folder


def run(*command: str, cwd: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=800)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_binder_gets_the_versions_of_the_lab(clone: Path, environment: dict[str, str]) -> None:
    """In the environment that `make lab` made, pip has nothing to add for Binder's requirements but labkit itself."""
    python = str(clone / ".venv/bin/python")
    quietly = ("--dry-run", "--quiet", "--report", "-")
    command = (python, "-m", "pip", "install", *quietly, "-r", ".binder/requirements.txt")
    report = json.loads(run(*command, cwd=clone, environment=environment))
    assert [item["metadata"]["name"] for item in report["install"]] in ([], [DISTRIBUTION])
    release = re.fullmatch(r"python-(\d+\.\d+)", (BINDER / "runtime.txt").read_text().strip())
    assert release
    assert f'requires-python = ">={release[1]}"' in (ROOT / "pyproject.toml").read_text()


def test_binders_kernels_have_the_magics(clone: Path, environment: dict[str, str]) -> None:
    """Started as Binder starts JupyterLab, after its postBuild, a notebook can use them without loading anything."""
    cell = nbformat.v4.new_code_cell("%lab status")
    notebook = clone / "notebooks/try.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), notebook)
    path = {"PATH": f"{clone}/.venv/bin:{environment['PATH']}"}
    command = (".binder/start", "jupyter", "execute", "--inplace", "--allow-errors", str(notebook))
    run(*command, cwd=clone, environment=environment | path)
    assert "No lab runs." in notebook.read_text()
    notebook.unlink()


def test_the_devcontainer_opens_the_browser_on_notebook_00(clone: Path, environment: dict[str, str]) -> None:
    """Its last command starts JupyterLab, and the editor's browser gets an address that lets people in."""
    own = {name: text.replace("${containerWorkspaceFolder}", str(clone)) for name, text in remote().items()}
    opened = Path(environment["BROWSER"].removesuffix(" %s") + ".opened")
    command = ("sh", "-c", DEVCONTAINER["postAttachCommand"])
    with subprocess.Popen(
        command, cwd=clone, env=environment | own, start_new_session=True, stderr=subprocess.DEVNULL
    ) as lab:
        try:
            wait_until(opened.exists, "The browser's start", timeout=90)
            wait_until(opened.read_text, "The address")
            address = opened.read_text().strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/lab/tree/notebooks/00-start-here\.ipynb\?token=\w+", address)
            # JupyterLab opens the browser just before it listens.
            wait_until(lambda: listens(httpx.URL(address).port or 0), "JupyterLab listening")
            answer = httpx.get(address, trust_env=False, follow_redirects=True)
            assert (answer.status_code, answer.url.path) == (200, "/lab/tree/notebooks/00-start-here.ipynb")
        finally:
            os.killpg(lab.pid, signal.SIGTERM)


def remote() -> dict[str, str]:
    variables: dict[str, str] = DEVCONTAINER["remoteEnv"]
    return variables


def test_the_devcontainer_has_the_python_of_the_image() -> None:
    """One version of Python, one Debian; and the folder that its Jupyter setting names is there."""
    ours, theirs = (
        re.findall(r"^FROM python:([\d.]+)-(?:slim-)?(\w+)", (ROOT / path).read_text(), re.MULTILINE)
        for path in ("Dockerfile", ".devcontainer/Dockerfile")
    )
    assert theirs == ours[:1]
    folder = remote()["JUPYTER_CONFIG_PATH"].replace("${containerWorkspaceFolder}", str(ROOT))
    assert json.loads(Path(folder, "jupyter_server_config.json").read_text())
