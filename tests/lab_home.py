"""A pytest plugin (`-p tests.lab_home`): notebooks that run at the same time each have a lab of their own."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Kernels inherit the environment, and so the home of their lab."""
    home = tempfile.mkdtemp(prefix="labkit-notebooks-")
    os.environ["LABKIT_HOME"] = home
    config.add_cleanup(lambda: _end(home))


def _end(home: str) -> None:
    from labkit import Stack

    Stack.clear(Path(home))
    shutil.rmtree(home, ignore_errors=True)
