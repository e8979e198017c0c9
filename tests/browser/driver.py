"""Playwright's driver: a node of its own, and a library that only compilers bring along."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright._impl._driver import compute_driver_executable

from labkit.stack.packages import fetch

NODE = compute_driver_executable()[0]


def environment() -> dict[str, str]:
    """Return what the environment of the driver must have; where the library is missing, fetch it.

    Raises:
        BinaryNotFound: it is neither here nor to be fetched.
    """
    if subprocess.run([NODE, "--version"], capture_output=True, check=False).returncode == 0:
        return {}
    root = fetch("libatomic1", lambda _: None)
    folders = {str(library.parent) for library in root.glob("usr/lib/**/libatomic.so.1")}
    return {"LD_LIBRARY_PATH": ":".join([*folders, *filter(None, [os.environ.get("LD_LIBRARY_PATH")])])}


@contextmanager
def starting() -> Iterator[None]:
    """Whoever starts a driver herein starts one that runs; it takes the environment of this process."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment().items():
            patch.setenv(name, value)
        yield
