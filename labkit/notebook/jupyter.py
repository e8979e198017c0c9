"""JupyterLab with labkit's settings, and kernels that have the magics; the environment it is in is not changed."""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from labkit.notebook.course import FIRST
from labkit.resources import resource


def environment() -> dict[str, str]:
    """Return the variables with which Jupyter finds its settings and kernels in `configs/jupyter`, before others."""
    own = str(resource("configs", "jupyter"))
    paths = ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH")
    return {name: os.pathsep.join(filter(None, (own, os.environ.get(name)))) for name in paths}


def exec_jupyterlab(folder: Path, *, port: int | None = None, browser: bool = True) -> NoReturn:
    """Replace this process with JupyterLab, on the first notebook of the course in `folder`."""
    import_module("jupyterlab")  # a missing package is reported before this process is replaced
    command = [sys.executable, "-P", "-m", "jupyterlab", *_options(folder), *([] if browser else ["--no-browser"])]
    command += [] if port is None else [f"--port={port}", "--ServerApp.port_retries=0"]
    sys.stdout.flush()
    os.execve(sys.executable, command, os.environ | environment())  # noqa: S606  no shell is meant


def _options(folder: Path) -> list[str]:
    # JupyterLab refuses root unless told otherwise.
    root = ["--allow-root"] if os.geteuid() == 0 else []
    where = [f"--ServerApp.root_dir={folder.resolve()}", f"--LabApp.default_url=/lab/tree/{FIRST}"]
    return [*root, *where, "--ip=127.0.0.1", "--log-level=WARN"]
