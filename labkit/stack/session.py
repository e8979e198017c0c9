"""Who is at work: a notebook, whose lab is its own, or a terminal or script, which share the lab called "lab"."""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

# JupyterLab tells a kernel, and so all that it starts, which notebook it is for.
NOTEBOOK = "JPY_SESSION_NAME"
# Seconds that a lab outlives its kernel: time enough to restart it.
GRACE, _GRACE = "LABKIT_GRACE", 600.0
SHARED, _NAMELESS = "lab", "notebook"
_LONGEST = 32


@dataclass(frozen=True)
class Session:
    """Who asks for a lab.

    owner: the path of the notebook, or the process of a kernel whose notebook is not known; "" for everybody else.
    name: how its lab is called, unless that is taken.
    kernel: the process of the kernel; 0 outside one.
    """

    owner: str = ""
    name: str = SHARED
    kernel: int = 0


def session() -> Session:
    """Return who is at work in this process."""
    shell = _kernel()
    notebook = _notebook(shell)
    kernel = os.getpid() if shell else 0
    if notebook:
        return Session(notebook, _short(Path(notebook).name), kernel)
    if kernel:
        return Session(f"kernel {kernel}, {psutil.Process().create_time():.2f}", _NAMELESS, kernel)
    return Session()


def grace() -> float:
    """Return how long a lab outlives its kernel, in seconds."""
    return float(os.environ.get(GRACE) or _GRACE)


def _kernel() -> object | None:
    """The shell of the kernel that this process is; None elsewhere."""
    if "IPython" not in sys.modules:
        return None
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    return shell if getattr(shell, "kernel", None) else None


def _notebook(shell: object | None) -> str:
    # VS Code tells in its own way.
    told = getattr(shell, "user_ns", {}).get("__vsc_ipynb_file__")
    return str(told or os.environ.get(NOTEBOOK) or "")


def _short(file: str) -> str:
    words = re.sub(r"[^a-z0-9._-]+", "-", file.removesuffix(".ipynb").lower())
    return words.strip("._-")[:_LONGEST].rstrip("._-") or _NAMELESS
