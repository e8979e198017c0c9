"""Chromium: the one of this machine, else Debian's package, unpacked into the cache like the lab's other programs."""

import shutil
from pathlib import Path

from labkit.errors import BinaryNotFound
from labkit.stack.packages import fetch

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Nothing is asked of the network but what the page asks for; root needs --no-sandbox.
OPTIONS = (
    *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run"),
)


def find() -> tuple[Path, dict[str, str]]:
    """Return the program and what its environment must have.

    Raises:
        BinaryNotFound: it is neither here nor to be fetched.
    """
    on_path = next(filter(None, map(shutil.which, NAMES)), None)
    if on_path:
        return Path(on_path), {}
    root = fetch("chromium", lambda _: None)
    program = root / "usr/lib/chromium/chromium"
    if not program.exists():
        raise BinaryNotFound(f"the package in {root} does not hold Chromium")
    libraries = sorted({library.parent for library in root.glob("usr/lib/*-linux-*/**/*.so*")})
    return program, {"LD_LIBRARY_PATH": ":".join(map(str, libraries)), "FONTCONFIG_PATH": str(root / "etc/fonts")}
