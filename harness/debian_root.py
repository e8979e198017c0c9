"""The files of a small Debian of any release, in a folder: what a fresh machine has, and the images of tests/docker."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from labkit.stack import releases
from labkit.stack.packages import fetch

# The first process of a namespace waits for all others, and when it ends, they are killed and their mounts are gone.
NAMESPACE = ("unshare", "--mount", "--mount-proc", "--pid", "--fork", "--kill-child")
FIRST = ("sh", "-c", "trap 'exit 143' TERM; \"$@\" & wait $!", "sh")


def run_alone(command: Sequence[str], env: Mapping[str, str] | None = None, output: IO[bytes] | None = None) -> int:
    """Run a command in a namespace of its own; return its exit code once nothing that it started or mounted is left."""
    # In a group of its own: an interruption reaches us alone, and we end the namespace.
    process = subprocess.Popen(
        [*NAMESPACE, *FIRST, *command],
        env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
    )  # fmt: skip
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def debootstrap(release: str, root: Path, packages: str) -> None:
    """Make a minimal Debian in `root`, with `packages` (separated by commas) and nothing else. Needs root.

    Raises:
        BinaryNotFound: debootstrap cannot be had, or the machine's sources do not say where Debian is.
    """
    program, environment = _debootstrap()
    command = [program, "--variant=minbase", f"--include={packages}", release, str(root), releases.mirror()]
    with TemporaryFile() as log:
        code = run_alone(command, os.environ | environment, log)
        log.seek(0)
        assert code == 0, log.read().decode()[-4000:]


def _debootstrap() -> tuple[str, dict[str, str]]:
    if installed := shutil.which("debootstrap"):
        return installed, {}
    tool = fetch("debootstrap", print)
    return str(tool / "usr/sbin/debootstrap"), {"DEBOOTSTRAP_DIR": str(tool / "usr/share/debootstrap")}
