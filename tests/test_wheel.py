"""Without a checkout: labkit is built, installed, and used in an empty folder by somebody with an empty home."""

import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

import labkit
from labkit.extras import DISTRIBUTION
from labkit.notebook.course import FIRST
from tests import ROOT
from tests.lab_command import fresh, opened

PACKAGES = Path(pytest.__file__).parent.parent
MAGICS = "--InteractiveShellApp.exec_lines=__import__('labkit')"
CORE = ("redis", "hiredis")

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT), cwd=folder)
    return next(folder.glob("*.tar.gz")), next(folder.glob("*.whl"))


def environment(folder: Path, distribution: Path, *, packages: Sequence[str] | None = None) -> Path:
    """Make an environment with labkit, and our `packages`, by default all of them; return its folder of programs."""
    venv.create(folder, symlinks=True)
    python = folder / "bin/python"
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--quiet"]
    own = run(str(python), "-c", "import site; print(site.getsitepackages()[0])", cwd=folder).strip()
    if distribution.suffix == ".gz":
        # With what builds it; there is a labkit, too, which is not the one that is meant.
        Path(own, "ours.pth").write_text(f"{PACKAGES}\n")
        options += ["--force-reinstall"]
    run(sys.executable, "-m", "pip", "--python", str(python), "install", *options, str(distribution), cwd=folder)
    if packages is None:
        Path(own, "ours.pth").write_text(f"{PACKAGES}\n")
        # What JupyterLab and its kin have there, beside what labkit has brought itself.
        for shared in ("share/jupyter", "share/jupyter/labextensions"):
            link(Path(sys.prefix, shared), folder / shared)
    for name in packages or ():
        Path(own, name).symlink_to(PACKAGES / name)
    return folder / "bin"


def link(source: Path, target: Path) -> None:
    """Add to the folder `target` what is in `source` and not there."""
    target.mkdir(parents=True, exist_ok=True)
    for part in source.iterdir():
        if not (target / part.name).exists():
            (target / part.name).symlink_to(part)


def run(*command: str, cwd: Path, code: int = 0) -> str:
    environment = fresh(cwd)
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == code, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def test_an_index_would_take_them(built: tuple[Path, Path]) -> None:
    """Twine finds nothing to complain about, and the description needs no other file to be read."""
    assert run(sys.executable, "-m", "twine", "check", "--strict", *map(str, built), cwd=ROOT).count("PASSED") == 2
    with zipfile.ZipFile(built[1]) as wheel:
        metadata = wheel.read(f"labkit_metrics-{labkit.__version__}.dist-info/METADATA").decode()
    assert f"Name: {DISTRIBUTION}\n" in metadata
    assert re.findall(r"\]\((?!https:)[^)]*\)", metadata) == []


def test_the_sdist_has_nothing_of_this_projects_machines(built: tuple[Path, Path]) -> None:
    """No settings of containers, editors and CI; all that the wheel is made of."""
    with tarfile.open(built[0]) as sdist:
        top = {name.split("/")[1] for name in sdist.getnames()}
    assert {name for name in top if name.startswith(".")} <= {".gitignore"}
    assert top >= {"labkit", "lua", "configs", "notebooks", "docs", "examples", "README.md", "LICENSE"}


@pytest.mark.parametrize("kind", [0, 1], ids=["sdist", "wheel"])
def test_the_demo_and_the_lab_are_the_whole_story(built: tuple[Path, Path], tmp_path: Path, kind: int) -> None:
    """Two commands: every number equal, and JupyterLab on the first notebook, whose kernels are labkit's."""
    programs = environment(tmp_path / "environment", built[kind])
    folder = tmp_path / "empty"
    folder.mkdir()
    assert str(programs.parent) in run(str(programs / "python"), "-c", "import labkit; print(labkit)", cwd=folder)
    assert re.search(r"(\d+) of \1 rows equal", run(str(programs / "labkit"), "demo", "--quick", cwd=folder))
    assert (folder / "out/demo.html").stat().st_size > 100_000
    with opened([str(programs / "labkit")], folder, fresh(folder)) as lab:
        assert lab.get("/", follow_redirects=True).url.path == f"/lab/tree/{FIRST}"
        assert lab.get("/api/kernelspecs").json()["kernelspecs"]["python3"]["spec"]["argv"][-1].startswith(MAGICS)
    assert (folder / "labkit-course" / FIRST).is_file()


def test_the_example_travels_with_it(built: tuple[Path, Path], tmp_path: Path) -> None:
    """Written out by a command, its tests pass where it was written."""
    programs = environment(tmp_path / "environment", built[1])
    assert "The example is in labkit-example." in run(str(programs / "labkit"), "example", cwd=tmp_path)
    assert "7 passed" in run(str(programs / "python"), "-m", "pytest", "-q", cwd=tmp_path / "labkit-example")


def test_the_core_records_and_says_what_else_there_is(built: tuple[Path, Path], tmp_path: Path) -> None:
    """With redis and hiredis only: applications record, and the rest names the part that brings it."""
    python = str(environment(tmp_path / "environment", built[1], packages=CORE) / "python")
    recorded = "import labkit; labkit.RedisMetricsService('redis://127.0.0.1:1').counter('c', 'Help.').inc()"
    run(python, "-c", f"{recorded}; import os; os._exit(0)", cwd=tmp_path)
    for name in ("live", "dashboard"):
        said = run(python, "-c", f"from labkit import {name}", cwd=tmp_path, code=1)
        assert f"pip install '{DISTRIBUTION}[lab]'" in said
        assert "\nModuleNotFoundError" not in said
    for command, extra in (("lab", "lab"), ("exporter", "sidecar"), ("store", "store"), ("", "sidecar")):
        said = run(python, "-m", "labkit", *command.split(), cwd=tmp_path, code=1)
        assert said.endswith(f"is not installed: pip install '{DISTRIBUTION}[{extra}]'\n")
