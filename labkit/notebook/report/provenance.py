"""What a reader who doubts a report wants to know: its parameters, versions and machine."""

import os
import platform
import re
from dataclasses import dataclass
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from labkit.extras import DISTRIBUTION

_PACKAGES = (DISTRIBUTION, "redis", "pandas", "plotly", "papermill")
_GIB = 2**30


@dataclass(frozen=True)
class Row:
    """A parameter in the table; `given` is false for a default."""

    name: str
    value: str
    meaning: str
    given: bool


def provenance(rows: list[Row], made: str) -> str:
    """Return the HTML of the folded end of a page; `made` says from what and when it was made."""
    return (
        "<details><summary>Parameters, versions and machine</summary>"
        f"{_parameters(rows)}{_pairs('Versions', _versions())}{_pairs('Machine', _machine())}"
        f"<p>{escape(made)}</p></details>"
    )


def _parameters(rows: list[Row]) -> str:
    if not rows:
        return ""
    lines = [
        f"<tr{' class=given' if row.given else ''}><td><code>{escape(row.name)}</code></td>"
        f"<td><code>{escape(row.value)}</code></td><td>{escape(row.meaning)}</td></tr>"
        for row in rows
    ]
    head = "<thead><tr><th>parameter<th>value<th>meaning</thead>"
    return f"<h2>Parameters</h2><table>{head}<tbody>{''.join(lines)}</tbody></table>"


def _pairs(heading: str, pairs: dict[str, str]) -> str:
    lines = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in pairs.items())
    return f"<h2>{heading}</h2><table><tbody>{lines}</tbody></table>"


def _versions() -> dict[str, str]:
    return {"Python": platform.python_version()} | {name: _version(name) for name in _PACKAGES}


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
