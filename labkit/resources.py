"""Where to find the files that are not Python: the Lua scripts, the configurations, the course.

In a checkout they are `lua/`, `notebooks/` and the like, beside the package; in a wheel they travel inside it.
"""

from pathlib import Path

_PACKAGE = Path(__file__).parent
_INSTALLED = _PACKAGE / "_resources"
_ROOT = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent


def resource(*parts: str) -> Path:
    """Return the path of a file that comes with labkit, such as `resource("lua", "flush.lua")`.

    Raises:
        FileNotFoundError: there is no such file; the installation is damaged.
    """
    path = _ROOT.joinpath(*parts)
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing, but comes with labkit: reinstall labkit.")
    return path
