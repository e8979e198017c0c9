"""What a lab leaves on the disk: everything is in the folder `.labkit` of its home."""

import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import takewhile
from pathlib import Path
from typing import IO

from labkit.errors import StackError
from labkit.stack.options import Options
from labkit.stack.ownership import is_own
from labkit.stack.private import PrivateFolder

FOLDER = ".labkit"
_STATE, _LOCK = "state.json", "lock"
# All that is ever made in the folder, and so all that is removed; the lock goes with the folder.
_MADE = (
    *("state.json", "state.json.new", "prometheus.yml", "prometheus.yml.new"),
    *("supervisord.conf", "supervisord.conf.new", "supervisord.pid", "run", "logs", "data"),
)
_PROJECT = ("pyproject.toml", ".git")


def find_home(home: Path | str | None = None) -> Path:
    """Return the folder whose lab is meant.

    It is the argument, else the environment variable `LABKIT_HOME`, else the nearest folder, from here upwards, that
    has a lab or is the root of a project (it has `pyproject.toml` or `.git`), else the current folder. So a notebook
    in `notebooks/` and a shell at the root share one lab. The way upwards ends at a folder of another user.
    """
    given = home or os.environ.get("LABKIT_HOME")
    if given:
        return Path(given).expanduser().resolve()
    here = Path.cwd().resolve()
    own = takewhile(is_own, (here, *here.parents))
    found = (folder for folder in own if any(os.path.lexists(folder / name) for name in (FOLDER, *_PROJECT)))
    return next(found, here)


@dataclass(frozen=True)
class State:
    """A lab that was started: its options, and the port of each service."""

    options: Options
    ports: dict[str, int]


@dataclass(frozen=True)
class Folder:
    """The files of the lab in `home`, a path without links."""

    home: Path

    @property
    def root(self) -> Path:
        return self.home / FOLDER

    @property
    def socket(self) -> Path:
        # Not in the home: the path of a socket ends at 108 bytes, and not every file system takes sockets.
        name = sha256(os.fsencode(self.home)).hexdigest()[:16]
        return Path(f"/tmp/labkit-{os.getuid()}-{name}/supervisor.sock")  # noqa: S108  private, see socket_fault()

    @property
    def prometheus_config(self) -> Path:
        return self.root / "prometheus.yml"

    def log(self, service: str) -> Path:
        return self.root / "logs" / f"{service}.log"

    def data(self, name: str) -> Path:
        return self.root / "data" / name

    def exists(self) -> bool:
        """Return whether there is something in the place of the lab's folder."""
        return self._private.exists()

    def has_state(self) -> bool:
        """Return whether a lab was started here, be its state damaged."""
        return (self.root / _STATE).exists()

    def fault(self) -> str:
        """Say why what is there is not labkit's to use and to empty; "" if it is."""
        return self._private.fault()

    def socket_fault(self) -> str:
        """Say why whoever listens at the socket may be somebody else; "" if nobody else can."""
        folder = self.socket.parent
        try:
            found = folder.lstat()
        except FileNotFoundError:
            return ""
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
            return ""
        return f"{folder} is not a private folder of yours; remove it, or name another LABKIT_HOME."

    def create(self, data: list[str]) -> None:
        """Make the folders, with one for each kind of `data`; nobody else may enter them, nor the one with the socket.

        Raises:
            StackError: the disk says no, or one is a link or somebody else's.
        """
        self._private.make()
        try:
            for parts in (("logs",), ("run",), *(("data", name) for name in data)):
                self._private.folder(*parts)
            self.socket.parent.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StackError(
                f"The lab cannot be kept in {self.root}: {error}. Name another home: LABKIT_HOME."
            ) from None
        if fault := self.socket_fault():
            raise StackError(fault)

    def load(self) -> State | None:
        """Return the state, None if there is no lab.

        Raises:
            StackError: the file is damaged, or the folder is not labkit's.
        """
        if not self.exists():
            return None
        try:
            held = json.loads(self._private.read(_STATE))
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError, OSError) as error:
            raise self._damaged(error) from None
        try:
            return State(Options(**held["options"]), {name: int(port) for name, port in held["ports"].items()})
        except (ValueError, KeyError, TypeError, AttributeError, StackError) as error:
            raise self._damaged(error) from None

    def configure_prometheus(self, text: str) -> None:
        """Write its configuration."""
        self._private.write(self.prometheus_config.name, text)

    def write(self, name: str, text: str) -> None:
        """Write a file, whole or not at all; `name` may begin with one of the folders."""
        self._private.write(name, text)

    def save(self, state: State) -> None:
        """Write the state."""
        self._private.write(_STATE, json.dumps(asdict(state), indent=2) + "\n")

    def clear(self, *, keep: tuple[str, ...] = ()) -> None:
        """Remove the socket and what labkit made in the folder, but for what is named in `keep`.

        What others put there stays, and the folder with it.

        Raises:
            StackError: the folder, or something in it, is a link or not labkit's, or the disk says no.
        """
        try:
            self._clear_socket()
            if self.exists():
                self._private.remove(name for name in _MADE if name not in keep)
                if not keep:
                    self._private.vanish(_LOCK)
        except OSError as error:
            raise StackError(f"The lab's files cannot be removed: {error}. Did another user start it?") from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one `up` or `down` at a time go on; the others wait. The system releases the lock of a killed process.

        Raises:
            StackError: the lab is somebody else's.
        """
        file = self._lock()
        while not _is_at(file, self.root / _LOCK):  # the one before us cleared the folder, and this file with it
            file.close()
            file = self._lock()
        with file:
            yield

    @property
    def _private(self) -> PrivateFolder:
        return PrivateFolder(self.root)

    def _damaged(self, error: Exception) -> StackError:
        return StackError(f"{self.root}/{_STATE} cannot be read ({error}). Clear it away with: labkit down")

    def _clear_socket(self) -> None:
        if self.socket_fault() or not self.socket.parent.exists():
            return
        # supervisord makes it under a name with its process id first.
        for path in self.socket.parent.glob(f"{self.socket.name}*"):
            path.unlink()
        self.socket.parent.rmdir()

    def _lock(self) -> IO[str]:
        self._private.make()
        try:
            file = self._private.open(_LOCK)
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
