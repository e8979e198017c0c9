"""A pytest plugin (`-p tests.lab_home`): notebooks that run at the same time each have a lab of their own."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import nbval.kernel
import pytest

_start_once = nbval.kernel.start_new_kernel


def start_new_kernel(*arguments: Any, **options: Any) -> Any:
    """Start a kernel, if need be twice: a port that was free when Jupyter chose it may be taken by now."""
    with contextlib.suppress(RuntimeError):
        return _start_once(*arguments, **options)
    return _start_once(*arguments, **options)


def pytest_configure(config: pytest.Config) -> None:
    """Kernels inherit the environment, and so the home of their lab."""
    nbval.kernel.start_new_kernel = start_new_kernel
    home = tempfile.mkdtemp(prefix="labkit-notebooks-")
    os.environ["LABKIT_HOME"] = home
    config.add_cleanup(lambda: _end(home))


def _end(home: str) -> None:
    from labkit import Stack

    Stack.clear(Path(home))
    shutil.rmtree(home, ignore_errors=True)
