"""Run luacheck on the Lua files, from PATH, or fetched from Debian: no root, nothing installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from labkit.errors import BinaryNotFound
from labkit.stack.packages import fetch

ROOT = Path(__file__).parent.parent


def luacheck() -> tuple[list[str], dict[str, str]]:
    """Return the command, and what its environment must have.

    Raises:
        SystemExit: it is not here, and cannot be fetched.
    """
    if program := shutil.which("luacheck"):
        return [program], {}
    try:
        package = fetch("lua-check", _say) / "usr"
    except BinaryNotFound as error:
        raise SystemExit(f"luacheck is not on PATH and cannot be fetched: {error}. Install it.") from None
    libraries = sorted((package / "lib").glob("*-linux-gnu"))
    return [str(package / "bin/lua5.1"), str(package / "bin/luacheck")], {
        "LUA_PATH": f"{package}/share/lua/5.1/?.lua;{package}/share/lua/5.1/?/init.lua",
        "LUA_CPATH": ";".join(f"{folder}/lua/5.1/?.so" for folder in libraries),
        "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
    }


def _say(step: str) -> None:
    sys.stderr.write(f"{step}\n")


def main() -> int:
    """Return 0 if nothing is wrong."""
    command, environment = luacheck()
    # What the server is given: a part alone uses what others define.
    files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "lua").glob("*.lua"))
    command += ["--quiet", *files]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
