"""With what a report was made: versions and machine, for a reader who doubts it."""

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from labkit.extras import DISTRIBUTION

_PACKAGES = (DISTRIBUTION, "redis", "pandas", "plotly", "papermill")
_GIB = 2**30


def provenance() -> dict[str, dict[str, str]]:
    """Return what a report was made with, by heading: versions and machine, each by name."""
    versions = {"Python": platform.python_version()} | {name: _version(name) for name in _PACKAGES}
    return {"Versions": versions, "Machine": _machine()}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # run from its source, without an installation
        return "not installed"


def _machine() -> dict[str, str]:
    busy = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    return {
        "system": platform.platform(),
        "processor": f"{os.cpu_count()} × {_processor()}",
        "memory": f"{psutil.virtual_memory().total / _GIB:.1f} GiB",
        "load at the end": f"{busy} (mean number of waiting processes over 1, 5 and 15 minutes)",
    }


def _processor() -> str:
    about = Path("/proc/cpuinfo")
    named = re.search(r"^model name\s*: (.+)$", about.read_text(), re.MULTILINE) if about.exists() else None
    return named[1] if named else platform.processor() or platform.machine()
