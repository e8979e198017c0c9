"""A real Docker engine of the tests' own, from a package that is unpacked, not installed.

It lives in namespaces of its own: its ports are always free, and its interfaces, rules, mounts and processes end with
it.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from harness.process import wait_until
from labkit.stack.packages import cache_folder, can_fetch, fetch

UNSHARE = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
CGROUPS = Path("/sys/fs/cgroup")
# What is called, and the package that brings it where it is not installed.
PROGRAMS = {"dockerd": "docker.io", "curl": "curl"}


@dataclass(frozen=True)
class Engine:
    """A running engine: where it listens, and the process whose network it has."""

    socket: Path
    pid: int
    environment: Mapping[str, str]

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the engine's network, with its socket as DOCKER_HOST."""
        inside = ["nsenter", "--net", "--target", str(self.pid), *command]
        environment = {**self.environment, **variables}
        return subprocess.run(inside, env=environment, capture_output=True, text=True, check=False)

    def version(self) -> str:
        """Return the engine's version, such as 20.10.24."""
        with self._client() as client:
            return str(client.get("/version").json()["Version"])

    def composed(self) -> list[str]:
        """Return the containers, networks and volumes that docker compose made and did not remove."""
        made = {"filters": json.dumps({"label": ["com.docker.compose.project"]})}
        with self._client() as client:
            containers = client.get("/containers/json", params={"all": "true", **made}).json()
            networks = client.get("/networks", params=made).json()
            volumes = client.get("/volumes", params=made).json()["Volumes"] or []
        return [thing.get("Name") or thing["Names"][0] for thing in (*containers, *networks, *volumes)]

    def load(self, archive: Path, tag: str) -> None:
        """Make an image of a file system in a tar file."""
        repository, _, version = tag.partition(":")
        self._send("/images/create", {"fromSrc": "-", "repo": repository, "tag": version}, archive)

    def build(self, tag: str, dockerfile: str, files: Mapping[str, Path]) -> None:
        """Build an image from the lines of a Dockerfile and the files it copies, by their names there."""
        with tempfile.TemporaryDirectory(dir=self.socket.parent) as folder:
            Path(folder, "Dockerfile").write_text(dockerfile)
            archive = Path(folder, "context.tar")
            with tarfile.open(archive, "w") as tar:
                tar.add(Path(folder, "Dockerfile"), "Dockerfile")
                for name, path in files.items():
                    tar.add(path, name)
            self._send("/build", {"t": tag}, archive)

    def _send(self, path: str, parameters: dict[str, str], archive: Path) -> None:
        headers = {"Content-Type": "application/x-tar"}
        with self._client() as client, archive.open("rb") as body:
            answer = client.post(path, params=parameters, content=body, headers=headers).raise_for_status()
        # The engine says 200 before it begins; how it went is in the last line.
        assert "error" not in json.loads(answer.text.splitlines()[-1]), answer.text[-2000:]

    def _client(self) -> httpx.Client:
        return httpx.Client(transport=httpx.HTTPTransport(uds=str(self.socket)), base_url="http://engine", timeout=300)


def why_not() -> str | None:
    """Return, in a sentence, why no engine can run here; None if one can."""
    if os.geteuid() != 0:
        return "a Docker engine needs root"
    if not shutil.which("dockerd") and not can_fetch():
        return "there is no dockerd here, and no apt to fetch it with"
    if not any(CGROUPS.glob("cgroup.controllers")) and not any(CGROUPS.glob("devices/cgroup.procs")):
        return f"a Docker engine needs control groups, and none are mounted on {CGROUPS}"
    tried = subprocess.run([*UNSHARE, "true"], capture_output=True, text=True, check=False)
    return f"no namespaces can be made here ({tried.stderr.strip()})" if tried.returncode else None


@contextlib.contextmanager
def engine() -> Iterator[Engine]:
    """Start an engine, and end it with all that it made."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix="engine-") as name:
        folder = Path(name)
        environment = _environment(folder)
        (folder / "data").mkdir()
        command = [*UNSHARE, sys.executable, str(Path(__file__).with_name("inside.py")), str(folder / "data")]
        command += ["dockerd", "--config-file", str(_configuration(folder))]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            running = Engine(folder / "socket", process.pid, environment)
            wait_until(lambda: _answers(running, process), "the engine answering", timeout=60)
            yield running
        finally:
            _end(process, folder.name)
            _remove_cgroups(folder.name)


def _answers(running: Engine, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, running.socket.with_name("log").read_text()[-2000:]
    # It listens early, and answers once it is ready.
    return running.socket.exists() and bool(running.version())


def _configuration(folder: Path) -> Path:
    """Write what the engine is told; it reads no file of the machine."""
    file = folder / "daemon.json"
    places = {"data-root": "data", "exec-root": "exec", "pidfile": "pid"}
    told: dict[str, object] = {key: str(folder / place) for key, place in places.items()}
    told |= {"hosts": [f"unix://{folder / 'socket'}"], "cgroup-parent": f"/{folder.name}"}
    file.write_text(json.dumps(told))
    return file


def _environment(folder: Path) -> dict[str, str]:
    roots = [fetch(package, print) for name, package in PROGRAMS.items() if not shutil.which(name)]
    libraries = sorted({str(file.parent) for root in roots for file in root.glob("usr/lib/*/*.so.*")})
    extensions = [str(path) for root in roots for path in root.glob("usr/lib/*/xtables")]
    paths = [str(_iptables(roots, folder)), *(str(root / "usr" / kind) for root in roots for kind in ("sbin", "bin"))]
    return {
        "PATH": ":".join([*paths, os.environ["PATH"]]),
        **({"LD_LIBRARY_PATH": ":".join(libraries)} if libraries else {}),
        **({"XTABLES_LIBDIR": extensions[0]} if extensions else {}),
        "HOME": str(folder),
        "DOCKER_HOST": f"unix://{folder / 'socket'}",
        # Debian's engine comes without buildx, which the newer builder needs.
        "DOCKER_BUILDKIT": "0",
    }


def _iptables(roots: list[Path], folder: Path) -> Path:
    """Call Debian's program by the name that its installation would give it."""
    links = folder / "bin"
    links.mkdir()
    for program in (path for root in roots for path in root.glob("usr/sbin/xtables-nft-multi")):
        for name in ("iptables", "ip6tables"):
            (links / name).symlink_to(program)
    return links


def _end(process: subprocess.Popen[bytes], cgroup: str) -> None:
    """End the engine; as it is the first process of its namespace, nothing in there outlives it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for first in psutil.Process(process.pid).children():
            first.kill()
    # In control groups of version 1, what a test left paused does not die before it thaws.
    for state in (CGROUPS / "freezer" / cgroup).rglob("freezer.state"):
        state.write_text("THAWED")
    process.wait(30)


def _remove_cgroups(name: str) -> None:
    for hierarchy in (CGROUPS, *CGROUPS.iterdir()):
        for folder, _, _ in os.walk(hierarchy / name, topdown=False):
            Path(folder).rmdir()
