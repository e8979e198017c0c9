"""A Debian or Ubuntu package, fetched and unpacked into a cache folder: no root, nothing installed, nothing started.

`apt-get` brings the package and what it depends on that the machine lacks. It uses the machine's own sources, keys and
proxies, but lists, archives and locks of ours, so it works for any user, also where `apt-get update` never ran.
Another release of Debian than the machine's own can be asked for: `releases`.
"""

import fcntl
import os
import platform
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from platformdirs import user_cache_path

from labkit.errors import BinaryNotFound
from labkit.stack import releases
from labkit.stack.ownership import is_own, untrusted

FETCH_TIMEOUT = 300.0


def cache_folder() -> Path:
    """Return where fetched programs are kept: `LABKIT_CACHE`, else labkit's folder in the user's cache."""
    override = os.environ.get("LABKIT_CACHE")
    return Path(override).absolute() if override else user_cache_path("labkit")


def private_cache() -> Path:
    """Make the cache folder if need be, and return it: what is fetched into it is run later.

    Raises:
        BinaryNotFound: it cannot be made, or others could put something there.
    """
    try:
        cache_folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = cache_folder().resolve()
        fault = untrusted(folder)
        if not fault and (not is_own(folder) or folder.stat().st_mode & stat.S_ISVTX):
            fault = f"{folder} is shared with other users"
    except OSError as error:
        fault = str(error)
    if fault:
        raise BinaryNotFound(f"the cache folder cannot be used ({fault}); name another in LABKIT_CACHE")
    return folder


def require_trusted(program: Path) -> None:
    """Do nothing if nobody but this user and root can change a program of the cache.

    Raises:
        BinaryNotFound: somebody can.
    """
    try:
        fault = untrusted(program.resolve())
    except OSError as error:
        fault = str(error)
    if fault:
        raise BinaryNotFound(
            f"{program} is not run: {fault}. Name a cache folder of your own in LABKIT_CACHE, or fix its permissions."
        )


def package_root(package: str, release: str | None = None) -> Path:
    """Return the folder into which `package` is, or would be, unpacked."""
    return cache_folder() / _distribution(release) / package


def can_fetch() -> bool:
    """Return whether this system has what `fetch` works with."""
    return bool(shutil.which("apt-get") and shutil.which("dpkg-deb"))


def fetch(package: str, on_step: Callable[[str], None], release: str | None = None) -> Path:
    """Return the folder that holds `package` and the libraries it needs; download them the first time.

    `release` is the code name of the release of Debian to take it from, by default the machine's own.

    Raises:
        BinaryNotFound: there is no apt here, it cannot get the package, or the cache cannot be written.
    """
    root = package_root(package, release)
    if root.exists():
        return root
    if not can_fetch():
        raise BinaryNotFound("this system has no apt to fetch it with")
    try:
        with _locked(private_cache()):
            if not root.exists():
                on_step(f"Fetching {package} into {cache_folder()} (once)")
                _download_and_unpack(package, root, release)
    except OSError as error:
        raise BinaryNotFound(f"the cache folder cannot be used ({error}); name another in LABKIT_CACHE") from None
    return root


def _download_and_unpack(package: str, root: Path, release: str | None) -> None:
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix="fetch-") as temporary:
        archives, unpacked = Path(temporary, "archives"), Path(temporary, "unpacked")
        _download(package, archives, release)
        for archive in sorted(archives.glob("*.deb")):
            _run(["dpkg-deb", "--extract", str(archive), str(unpacked)])
        _mend_links(unpacked)
        if release:
            releases.add_launchers(unpacked)
        # Whole or not at all: another process may look at any moment.
        unpacked.rename(root)


def _download(package: str, archives: Path, release: str | None) -> None:
    lists = cache_folder() / "lists" / (release or ".")
    for folder in (lists, archives):
        (folder / "partial").mkdir(parents=True, exist_ok=True)
    apt = ["apt-get", "-qq", "--option", f"Dir::State::Lists={lists}"]
    apt += ["--option", f"Dir::Cache={archives.parent}", "--option", f"Dir::Cache::Archives={archives}"]
    # The system's lock is not for us, and its sandbox user cannot write to a private folder.
    apt += ["--option", "Debug::NoLocking=true", "--option", "APT::Sandbox::User="]
    apt += releases.options(release, archives.parent) if release else []
    # One source of several may be out of order without hindering us: only the download decides.
    _run([*apt, "update"], check=False)
    install = ["install", "--yes", "--download-only", "--no-install-recommends", "--reinstall", package]
    _run([*apt, *install])
    if not any(archives.glob(f"{package}_*.deb")):
        raise BinaryNotFound(f"apt-get knows {package} but did not deliver it")


def _mend_links(unpacked: Path) -> None:
    """Lead links to what apt did not bring, because the system has it, into the system."""
    for link in unpacked.rglob("*"):
        if link.is_symlink() and not link.exists():
            installed = Path(os.path.normpath(Path("/", link.parent.relative_to(unpacked), link.readlink())))
            if installed.exists():
                link.unlink()
                link.symlink_to(installed)


def _run(command: list[str], *, check: bool = True) -> None:
    # Messages in English, whatever the user speaks: they end in ours.
    environment = os.environ | {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=FETCH_TIMEOUT, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise BinaryNotFound(f"{command[0]} did not end within {FETCH_TIMEOUT:.0f} s") from None
    if check and done.returncode:
        said = " ".join(done.stderr.split())[-400:] or f"it ended with code {done.returncode}"
        raise BinaryNotFound(f"{command[0]} could not get it: {said.rstrip('.')}")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time into the cache."""
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _distribution(release: str | None) -> str:
    if release:
        return f"debian-{release}-{platform.machine()}"
    try:
        found = platform.freedesktop_os_release()
    except OSError:
        found = {}
    return f"{found.get('ID', 'unknown')}-{found.get('VERSION_ID', '0')}-{platform.machine()}"
