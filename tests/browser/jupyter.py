"""A real JupyterLab, as `make lab` starts it, on a free port and with a home of its own."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import nbformat

from labkit import Stack
from labkit.notebook.jupyter import environment
from tests.redis_server import free_port, wait_until

_KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


class Jupyter:
    """A running JupyterLab whose files are in `folder/work`; the lab that its notebooks start lives there, too."""

    def __init__(self, folder: Path, base_url: str = "/") -> None:
        self.root = folder / "work"
        self.root.mkdir()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}{base_url}"
        # Nothing of the person who runs the tests: no settings, no history, no workspace.
        names = (
            "JUPYTER_CONFIG_DIR",
            "JUPYTER_DATA_DIR",
            "JUPYTER_RUNTIME_DIR",
            "IPYTHONDIR",
            "JUPYTERLAB_SETTINGS_DIR",
        )
        own = {name: str(folder / name.lower()) for name in (*names, "JUPYTERLAB_WORKSPACES_DIR")}
        self.environment = os.environ | own | environment() | {"LABKIT_HOME": str(self.root)}
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}"]
        command += ["--ServerApp.port_retries=0", "--IdentityProvider.token=", f"--ServerApp.base_url={base_url}"]
        command += [f"--ServerApp.root_dir={self.root}", "--log-level=WARN"]
        # So that tests can ask the page whether its kernel is ready.
        command += ["--LabApp.expose_app_in_browser=True"]
        command += ["--allow-root"] if os.getuid() == 0 else []
        self._log = folder / "jupyter.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=self.root, env=self.environment, stdout=log, stderr=log)
        wait_until(self._answers, "JupyterLab's start", timeout=240)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # In good order, so that it ends its kernels.
        self.process.terminate()
        self.process.wait(30)
        Stack.clear_all(self.root)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def write(self, name: str, cells: Sequence[str]) -> str:
        """Write a notebook with these code cells; return its path as JupyterLab knows it."""
        made = [nbformat.v4.new_code_cell(source) for source in cells]
        notebook = nbformat.v4.new_notebook(cells=made, metadata=_KERNEL)
        nbformat.write(notebook, self.root / name)
        return name

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log
        try:
            return httpx.get(f"{self.url}api", timeout=2, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False
