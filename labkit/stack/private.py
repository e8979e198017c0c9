"""A folder of this user's alone, with a mark that labkit made it: in it, and nowhere else, labkit writes and deletes.

Links are never followed: what one leads to belongs to somebody, be it this user's thesis.
"""

import contextlib
import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from labkit.errors import StackError
from labkit.stack.ownership import untrusted

MARK = "made-by-labkit"
_ELSEWHERE = "Name another home for the lab: LABKIT_HOME."


class Vanished(StackError):
    """There is no such folder, or no longer."""


class PrivateFolder:
    """The folder at `path`, whose parent is a path without links; whatever else is found there is refused."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def exists(self) -> bool:
        """Return whether anything has this name, be it a link that leads nowhere."""
        return os.path.lexists(self._path)

    def make(self) -> None:
        """Make it, mark included, unless it is there.

        Raises:
            StackError: something else has its name, others could replace it, or the disk says no.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._require_safe_parent()
            if self._is_free():
                self._create()
        except OSError as error:
            raise self._unusable(error) from None
        self.require()

    def require(self) -> None:
        """Do nothing if labkit made this folder, and nobody but this user can change what is in it.

        Raises:
            StackError: it is another's, a link or not labkit's; the message says which, and what to do.
        """
        with self._opened():
            pass

    def fault(self) -> str:
        """Return what `require` would say, "" if nothing, or if there is no such folder."""
        try:
            if self.exists():
                self.require()
        except Vanished:
            return ""
        except StackError as error:
            return str(error)
        return ""

    def folder(self, *parts: str) -> None:
        """Make a folder inside, and those above it, unless it is there.

        Raises:
            StackError: a link or a file has its name.
            OSError: the disk says no.
        """
        self.require()
        path = self._path
        for part in parts:
            path = path / part
            with contextlib.suppress(FileExistsError):
                path.mkdir(mode=0o700)
            if not stat.S_ISDIR(path.lstat().st_mode):
                raise StackError(_refusal(path, "is a link or a file, where labkit keeps a folder"))

    def names(self) -> list[str]:
        """Return the names of what is in it."""
        with self._opened() as folder, os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries)

    def read(self, name: str) -> str:
        """Return the text of a file.

        Raises:
            OSError: it is not there, or a link.
        """
        with self._opened() as folder, _file(name, os.O_RDONLY, folder) as file:
            return file.read()

    def write(self, name: str, text: str) -> None:
        """Write a file that only this user can read, whole or not at all: somebody may read at any moment."""
        with self._opened() as folder:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{name}.new", dir_fd=folder)
            with _file(f"{name}.new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, folder) as file:
                file.write(text)
            os.replace(f"{name}.new", name, src_dir_fd=folder, dst_dir_fd=folder)

    def open(self, name: str) -> IO[str]:
        """Open a file for writing, and make it if it is not there; nothing is written yet."""
        with self._opened() as folder:
            return _file(name, os.O_RDWR | os.O_CREAT, folder)

    def remove(self, names: Iterable[str]) -> None:
        """Remove files and folders of these names; what else is in here stays.

        Raises:
            StackError: one is a link, or another file system; then nothing is removed.
            OSError: the disk says no.
        """
        with self._opened() as folder:
            for name in [name for name in names if self._is_removable(name, folder)]:
                if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                    shutil.rmtree(name, dir_fd=folder)
                else:
                    os.unlink(name, dir_fd=folder)

    def remove_if_empty(self, last: str) -> None:
        """Remove the folder, unless it holds more than its mark and the file `last`, which goes with it.

        Raises:
            OSError: the disk says no.
        """
        with self._opened() as folder, os.scandir(folder) as entries:
            if {entry.name for entry in entries} - {MARK, last}:
                return
        # Under another name first: whoever comes meanwhile finds a whole folder or none.
        with self._temporary() as aside:
            self._path.rename(aside)

    def _is_free(self) -> bool:
        if self._path.is_symlink() or not self._path.is_dir():
            return not self.exists()
        return not any(self._path.iterdir())

    def _create(self) -> None:
        # Complete under another name first, for the same reason. An empty folder gives way.
        with self._temporary() as aside:
            # The number of the folder: one that was copied, or came with somebody's files, is not ours to empty.
            (aside / MARK).touch(0o600)
            (aside / MARK).write_text(f"{aside.stat().st_ino}\n")
            try:
                aside.rename(self._path)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):  # somebody was quicker
                    raise

    @contextmanager
    def _temporary(self) -> Iterator[Path]:
        """An empty folder beside this one, private; it is removed with what is in it, unless it was renamed."""
        aside = Path(tempfile.mkdtemp(prefix=f"{self._path.name}-", dir=self._path.parent))
        try:
            yield aside
        finally:
            if aside.exists():
                shutil.rmtree(aside)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """The folder itself, checked: whatever happens to its name from now on."""
        self._require_safe_parent()
        try:
            folder = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except NotADirectoryError:
            raise StackError(_refusal(self._path, "is a link or a file")) from None
        except OSError as error:
            raise self._unusable(error) from None
        try:
            self._require_ours(folder)
            yield folder
        finally:
            os.close(folder)

    def _require_safe_parent(self) -> None:
        try:
            fault = untrusted(self._path.parent)
        except OSError as error:
            raise self._unusable(error) from None
        if fault:
            raise StackError(
                f"The lab cannot be kept in {self._path}: {fault}, so others could put theirs there. {_ELSEWHERE}"
            )

    def _unusable(self, error: OSError) -> StackError:
        kind = Vanished if isinstance(error, FileNotFoundError) else StackError
        return kind(f"The lab cannot be kept in {self._path}: {error}. {_ELSEWHERE}")

    def _require_ours(self, folder: int) -> None:
        found = os.fstat(folder)
        if found.st_uid != os.getuid():
            raise StackError(f"{self._path} belongs to another user; labkit neither uses nor empties it. {_ELSEWHERE}")
        if found.st_mode & 0o022:
            raise StackError(f"{self._path} can be changed by others. If all in it is yours: chmod 700 {self._path}")
        try:
            with _file(MARK, os.O_RDONLY, folder) as file:
                made = file.read() == f"{found.st_ino}\n"
        except OSError:
            made = False
        if not made and not self._is_at(found):
            raise Vanished(f"{self._path} was removed just now. Try again.")
        if not made:
            raise StackError(_refusal(self._path, "was not made here by this labkit"))

    def _is_at(self, found: os.stat_result) -> bool:
        try:
            return os.path.samestat(found, self._path.lstat())
        except FileNotFoundError:
            return False

    def _is_removable(self, name: str, folder: int) -> bool:
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        if stat.S_ISLNK(found.st_mode):
            raise StackError(_refusal(self._path / name, "is a link"))
        if found.st_dev != os.fstat(folder).st_dev:
            raise StackError(_refusal(self._path / name, "is another file system"))
        return True


def _refusal(path: Path, what: str) -> str:
    return (
        f"{path} {what}; labkit follows and empties only what it made. Move it away yourself, and to keep "
        "the lab elsewhere, on another disk for example, name that folder in LABKIT_HOME."
    )


def _file(name: str, flags: int, folder: int) -> IO[str]:
    handle = os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    return os.fdopen(handle, "r" if flags == os.O_RDONLY else "w", encoding="utf-8")
