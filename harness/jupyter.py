"""A real JupyterLab, as `make lab` starts it, on a free port and with a home of its own."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat

from harness.process import Process, answers, free_port
from labkit import Stack
from labkit.notebook.jupyter import environment

_KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


class Jupyter(Process):
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
        super().__init__(
            command,
            folder / "jupyter.log",
            lambda: answers(f"{self.url}api", 200),
            self.environment,
            cwd=self.root,
            timeout=240,
        )

    def close(self) -> None:
        """End it in good order, so that it ends its kernels, and then the labs."""
        self.stop()
        Stack.clear_all(self.root)

    def write(self, name: str, cells: Sequence[str]) -> str:
        """Write a notebook with these code cells; return its path as JupyterLab knows it."""
        made = [nbformat.v4.new_code_cell(source) for source in cells]
        notebook = nbformat.v4.new_notebook(cells=made, metadata=_KERNEL)
        nbformat.write(notebook, self.root / name)
        return name
