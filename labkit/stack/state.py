"""What a lab leaves on the disk: everything is in the folder `.labkit` of its home."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO

from labkit.errors import StackError
from labkit.stack.options import Options

FOLDER = ".labkit"
_PROJECT = ("pyproject.toml", ".git")


def find_home(home: Path | str | None = None) -> Path:
    """Return the folder whose lab is meant.

    It is the argument, else the environment variable `LABKIT_HOME`, else the nearest folder, from here upwards, that
    has a lab, else the root of the project (it has `pyproject.toml` or `.git`), else the current folder. So a
    notebook in `notebooks/` and a shell at the root share one lab.
    """
    given = home or os.environ.get("LABKIT_HOME")
    if given:
        return Path(given).expanduser().resolve()
    here = Path.cwd().resolve()
    upwards = (here, *here.parents)
    with_lab = (folder for folder in upwards if (folder / FOLDER).is_dir())
    project = (folder for folder in upwards if any((folder / name).exists() for name in _PROJECT))
    return next(with_lab, None) or next(project, None) or here


@dataclass(frozen=True)
class State:
    """A lab that was started: its options, and the port of each service."""

    options: Options
    ports: dict[str, int]


@dataclass(frozen=True)
class Folder:
    """The files of the lab in `home`."""

    home: Path

    @property
    def root(self) -> Path:
        return self.home / FOLDER

    @property
    def socket(self) -> Path:
        # Not in the home: the path of a socket ends at 108 bytes, and not every file system takes sockets.
        name = sha256(os.fsencode(self.home)).hexdigest()[:16]
        return Path(f"/tmp/labkit-{os.getuid()}-{name}/supervisor.sock")  # noqa: S108  private, see create()

    @property
    def prometheus_config(self) -> Path:
        return self.root / "prometheus.yml"

    def log(self, service: str) -> Path:
        return self.root / "logs" / f"{service}.log"

    def data(self, name: str) -> Path:
        return self.root / "data" / name

    def create(self, data: list[str]) -> None:
        """Make the folders, with one for each kind of `data`; nobody else may enter the one with the socket.

        Raises:
            StackError: the disk says no, or somebody else made that folder.
        """
        try:
            for path in (self.root / "logs", self.root / "run", *map(self.data, data)):
                path.mkdir(parents=True, exist_ok=True)
            self.socket.parent.mkdir(mode=0o700, exist_ok=True)
            theirs = self.socket.parent.stat().st_uid != os.getuid()
        except OSError as error:
            raise StackError(
                f"The lab cannot be kept in {self.root}: {error}. Name another home: LABKIT_HOME."
            ) from None
        if theirs or self.socket.parent.is_symlink():
            raise StackError(f"{self.socket.parent} belongs to somebody else; remove it or name another LABKIT_HOME.")

    def load(self) -> State | None:
        """Return the state, None if there is no lab.

        Raises:
            StackError: the file is damaged.
        """
        try:
            held = json.loads((self.root / "state.json").read_text())
            return State(Options(**held["options"]), {name: int(port) for name, port in held["ports"].items()})
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError, OSError, StackError) as error:
            raise StackError(
                f"{self.root}/state.json cannot be read ({error}). Clear it away with: labkit down"
            ) from None

    def configure_prometheus(self, text: str) -> None:
        """Write its configuration, whole or not at all: it may read at any moment."""
        temporary = self.root / "prometheus.yml.new"
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(self.prometheus_config)

    def save(self, state: State) -> None:
        """Write the state, whole or not at all."""
        temporary = self.root / "state.json.new"
        temporary.write_text(json.dumps(asdict(state), indent=2) + "\n")
        temporary.replace(self.root / "state.json")

    def clear(self, *, keep: tuple[str, ...] = ()) -> None:
        """Remove the socket and everything in the folder but the files and folders named in `keep`.

        Raises:
            StackError: the disk says no.
        """
        try:
            shutil.rmtree(self.socket.parent, ignore_errors=True)
            for path in self.root.iterdir() if self.root.exists() else ():
                if path.name not in keep:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            if self.root.exists() and not keep:
                self.root.rmdir()
        except OSError as error:
            raise StackError(f"The lab's files cannot be removed: {error}. Did another user start it?") from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one `up` or `down` at a time go on; the others wait. The system releases the lock of a killed process.

        Raises:
            StackError: the lab is somebody else's.
        """
        file = self._lock()
        while not _is_at(file, self.root / "lock"):  # the one before us cleared the folder, and this file with it
            file.close()
            file = self._lock()
        with file:
            yield

    def _lock(self) -> IO[str]:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            file = (self.root / "lock").open("w")
        except OSError as error:
            raise StackError(
                f"The lab cannot be kept in {self.root}: {error}. Name another home: LABKIT_HOME."
            ) from None
        fcntl.flock(file, fcntl.LOCK_EX)
        return file


def _is_at(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
