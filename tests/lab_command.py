"""`labkit lab` as a person starts it, but without a browser and on a free port."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from harness.process import Process, answers, free_port

# Nothing of the person who runs this, or of pytest, but labkit's cache: that it can be filled is tested elsewhere.
FOREIGN = ("VIRTUAL_ENV", "LABKIT_", "JUPYTER", "IPYTHON", "PYTHON", "MAKE", "MFLAGS", "PYTEST", "XDG_")
TOKEN = "open"  # noqa: S105  the server lives as long as a test


def fresh(home: Path) -> dict[str, str]:
    """Return the environment of somebody whose home is empty."""
    from labkit.stack.packages import cache_folder

    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return kept | {"HOME": str(home), "LABKIT_CACHE": str(cache_folder())}


@contextmanager
def opened(labkit: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Iterator[httpx.Client]:
    """Run `labkit lab` in `folder`; yield a client of JupyterLab when it answers. It ends in good order."""
    port = free_port()
    url, command = f"http://127.0.0.1:{port}", [*labkit, "lab", "--no-browser", "--port", str(port)]
    headers = {"Authorization": f"token {TOKEN}"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=30) as client:
        process = Process(
            command,
            folder.parent / "lab.log",
            lambda: answers(f"{url}/api", 200),
            cwd=folder,
            env={**environment, "JUPYTER_TOKEN": TOKEN},
            timeout=90,
        )
        try:
            yield client
        finally:
            process.stop()
