"""JupyterLab as `labkit lab` starts it: its settings, its kernels, and the lab that all in it share."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import nbformat
import pytest

from labkit.notebook.course import FIRST
from labkit.notebook.jupyter import environment
from tests import ROOT
from tests.lab_command import fresh, opened

LABKIT = (sys.executable, "-m", "labkit")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder, which is not part of a project."""
    folder = tmp_path_factory.mktemp("reader") / "work"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def lab(folder: Path) -> Iterator[httpx.Client]:
    """A client of the JupyterLab that `labkit lab` started there."""
    with opened(LABKIT, folder, fresh(folder.parent)) as client:
        yield client


def test_it_opens_on_the_first_notebook(lab: httpx.Client, folder: Path) -> None:
    """In a copy of the course, which is all that JupyterLab shows of the disk."""
    assert lab.get("/", follow_redirects=True).url.path == f"/lab/tree/{FIRST}"
    shown = lab.get("/api/contents/").json()["content"]
    assert {entry["name"] for entry in shown} >= {"README.md", "docs", "notebooks", "lua", "configs", "examples"}
    assert [path.name for path in folder.iterdir()] == ["labkit-course"]


def test_it_has_labkits_settings(lab: httpx.Client) -> None:
    """It asks nobody on the internet for news and updates, and its kernel is labkit's, with an icon."""
    plugin = "@jupyterlab/apputils-extension:notification"
    properties = lab.get(f"/lab/api/settings/{plugin}").json()["schema"]["properties"]
    assert (properties["fetchNews"]["default"], properties["checkForUpdates"]["default"]) == ("false", False)
    kernel = lab.get("/api/kernelspecs").json()["kernelspecs"]["python3"]
    assert "__import__('labkit')" in kernel["spec"]["argv"][-1]
    # Under the name that is saved in the notebooks: to open one does not change it.
    assert kernel["spec"]["display_name"] == nbformat.read(ROOT / FIRST, 4).metadata.kernelspec.display_name
    assert lab.get(kernel["resources"]["logo-svg"]).status_code == 200


def test_kernels_have_the_magics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without loading anything, they find the labs of this user, here none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notebooks").mkdir()
    path = tmp_path / "notebooks" / "try.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("%lab status")]), path)
    command = [sys.executable, "-m", "nbconvert", "--execute", "--to", "notebook", "--inplace", "--allow-errors"]
    subprocess.run([*command, str(path)], env=fresh(tmp_path) | environment(), check=True, capture_output=True)
    assert "No lab runs." in path.read_text()


def test_what_was_said_before_still_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders of the person's own come after labkit's."""
    monkeypatch.setenv("JUPYTER_PATH", "/mine")
    found = environment()
    first, second = found["JUPYTER_PATH"].split(os.pathsep)
    assert (Path(first, "kernels/python3/kernel.json").is_file(), second) == (True, "/mine")
    assert os.pathsep not in found["JUPYTER_CONFIG_PATH"]
