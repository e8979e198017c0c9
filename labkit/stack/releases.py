"""Another release of Debian beside the machine's own: what apt needs to find it, and what its programs need to run.

A program of a newer release does not run with an older loader and libc, so all that it depends on is unpacked with
it, and a launcher starts it with the loader and the libraries of its own release.
"""

import platform
import subprocess
from pathlib import Path

from labkit.errors import BinaryNotFound

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
LAUNCHER = """#!/bin/sh
root="${{0%/*}}/.."
exec "$root/{loader}" --argv0 {name} --library-path "{libraries}" "$root/usr/bin/{name}" "$@"
"""


def options(release: str, folder: Path) -> list[str]:
    """Return the options with which apt sees `release` and nothing else, not even what is installed.

    Raises:
        BinaryNotFound: this machine is no Debian, or has no keyring to verify the release with.
    """
    sources, status = folder / "sources.list", folder / "status"
    sources.write_text(f"deb [signed-by={KEYRING}] {mirror()} {release} main\n")
    status.touch()
    chosen = {"Dir::Etc::SourceList": sources, "Dir::Etc::SourceParts": "-", "Dir::State::Status": status}
    # What the machine prefers among its own releases must not decide about this one.
    chosen |= {"Dir::Etc::Preferences": "-", "Dir::Etc::PreferencesParts": "-", "APT::Default-Release": ""}
    return [word for name, value in chosen.items() for word in ("--option", f"{name}={value}")]


def add_launchers(root: Path) -> None:
    """Put a script into `root`/run for each program in `root`/usr/bin; it works wherever the folder is moved."""
    # Until Debian 12, some libraries are in packages as /lib/…, others as /usr/lib/….
    folders = [folder.relative_to(root) for top in ("lib", "usr/lib") for folder in root.glob(f"{top}/*-linux-*")]
    loader = next((found for folder in folders for found in (root / folder).glob("ld-linux*.so.*")), None)
    if not loader:
        raise BinaryNotFound("the packages of the release hold no loader (ld-linux*.so) for its programs")
    (root / "run").mkdir()
    libraries = ":".join(f"$root/{folder}" for folder in folders)
    places = {"loader": loader.relative_to(root), "libraries": libraries}
    for program in (root / "usr/bin").iterdir():
        script = root / "run" / program.name
        script.write_text(LAUNCHER.format(name=program.name, **places))
        script.chmod(0o755)


def mirror() -> str:
    """Return where the machine itself gets its release from."""
    found = platform.freedesktop_os_release() if Path("/etc/os-release").exists() else {}
    if found.get("ID") != "debian" or not KEYRING.exists():
        raise BinaryNotFound("another release of Debian can be fetched on Debian only")
    if mirror := mirrors().get(found.get("VERSION_CODENAME", "")):
        return mirror
    raise BinaryNotFound("apt's sources on this machine name no mirror of Debian")


def mirrors() -> dict[str, str]:
    """Return where the machine gets its own release from, and each of its updates: `bookworm`, `bookworm-security`."""
    command = ["apt-get", "indextargets", "--no-release-info", "--format", "$(RELEASE) $(REPO_URI)"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    # The first of several is the one that apt would ask.
    return dict(reversed([line.split() for line in listed.splitlines()]))
