"""What a lab leaves on the disk: all in a folder of its own, which has its name, in the folder of labs."""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from labkit.errors import StackError
from labkit.stack.home import LabsFolder
from labkit.stack.lock import exclusive
from labkit.stack.options import Options
from labkit.stack.private import PrivateFolder, Vanished
from labkit.stack.session import SHARED

_STATE, _LOCK = "state.json", "lock"
# All that is ever made in the folder, and so all that is removed; the lock goes with the folder.
_MADE = (
    *("state.json", "state.json.new", "prometheus.yml", "prometheus.yml.new"),
    *("supervisord.conf", "supervisord.conf.new", "supervisord.pid", "run", "logs", "data"),
)


@dataclass(frozen=True)
class State:
    """A lab that was started: its options, the port of each service, and when and by whom it was started.

    `started` in seconds since 1970; `owner` as a `Session` has it; `kernel` is the process with which the lab ends, 0
    for a lab that stays.
    """

    options: Options
    ports: dict[str, int]
    started: float = 0.0
    owner: str = ""
    kernel: int = 0

    @property
    def starter(self) -> str:
        """Who started it, in words."""
        return self.owner or "a terminal or a script"


@dataclass(frozen=True)
class Folder:
    """The files of the lab `name` in `home`, a path without links."""

    home: Path
    name: str = SHARED

    @property
    def root(self) -> Path:
        return self._labs.root / self.name

    @property
    def socket(self) -> Path:
        # Not in the home: the path of a socket ends at 108 bytes, and not every file system takes sockets.
        name = sha256(os.fsencode(self.root)).hexdigest()[:16]
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
        return self._labs.fault() or self._private.fault()

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
        try:
            self._labs.add(self._private.make)
            for parts in (("logs",), ("run",), *(("data", name) for name in data)):
                self._private.folder(*parts)
            self.socket.parent.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise self._unusable(error) from None
        if fault := self.socket_fault():
            raise StackError(fault)

    def load(self) -> State | None:
        """Return the state, None if there is no lab.

        Raises:
            StackError: the file is damaged, or the folder is not labkit's.
        """
        if fault := self.fault():
            raise StackError(fault)
        try:
            held = json.loads(self._private.read(_STATE))
        except (FileNotFoundError, Vanished):
            return None
        except (ValueError, RecursionError, OSError) as error:
            raise self._damaged(error) from None
        try:
            return _state(**held)
        except (ValueError, KeyError, TypeError, AttributeError, StackError) as error:
            raise self._damaged(error) from None

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
                    self._labs.clear(lambda: self._private.remove_if_empty(_LOCK))
        except OSError as error:
            raise StackError(f"The lab's files cannot be removed: {error}. Did another user start it?") from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one `up` or `down` at a time go on; the others wait.

        Raises:
            StackError: the lab is somebody else's.
        """
        with exclusive(self.root / _LOCK, self._open_lock):
            yield

    @property
    def _labs(self) -> LabsFolder:
        return LabsFolder(self.home)

    @property
    def _private(self) -> PrivateFolder:
        return PrivateFolder(self.root)

    def _damaged(self, error: Exception) -> StackError:
        remedy = f"labkit down --name {self.name}"
        return StackError(f"{self.root}/{_STATE} cannot be read ({error}). Clear it away with: {remedy}")

    def _clear_socket(self) -> None:
        if self.socket_fault() or not self.socket.parent.exists():
            return
        # supervisord makes it under a name with its process id first.
        for path in self.socket.parent.glob(f"{self.socket.name}*"):
            path.unlink()
        self.socket.parent.rmdir()

    def _open_lock(self) -> IO[str]:
        def make() -> IO[str]:
            self._private.make()
            return self._private.open(_LOCK)

        try:
            return self._labs.add(make)
        except OSError as error:
            raise self._unusable(error) from None

    def _unusable(self, error: OSError) -> StackError:
        return StackError(f"The lab cannot be kept in {self.root}: {error}. Name another home: LABKIT_HOME.")


def _state(options: dict[str, Any], ports: dict[str, int], started: float, owner: str, kernel: int) -> State:
    known = {name: int(port) for name, port in ports.items()}
    return State(Options(**options), known, float(started), str(owner), int(kernel))
