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
# apt brings no fonts where there are some.
_FONTS = """<fontconfig>
<dir>{}/usr/share/fonts</dir><dir>/usr/share/fonts</dir><cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>"""


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
    return program, _environment(root)


def _environment(root: Path) -> dict[str, str]:
    libraries = {
        library.parent for folder in ("lib", "usr/lib") for library in root.glob(f"{folder}/*-linux-*/**/*.so*")
    }
    # The package's own configuration looks for fonts where it would be installed.
    fonts = root / "labkit-fonts.conf"
    fonts.write_text(_FONTS.format(root))
    return {"LD_LIBRARY_PATH": ":".join(map(str, sorted(libraries))), "FONTCONFIG_FILE": str(fonts)}
