"""A kernel, as JupyterLab has one: cells that run, watched or not, and a stop button."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from harness.process import wait_until

LIMIT = 60  # seconds


@dataclass
class Outcome:
    """How a cell ended: the name of its error, if any, and all that it showed."""

    error: str
    shown: list[dict[str, Any]]


class Notebook:
    """A notebook that is open; its lab lives in `home`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._manager = KernelManager()
        self._manager.start_kernel(
            cwd=str(home), env=os.environ | {"LABKIT_HOME": str(home)}, extra_arguments=["--log-level=ERROR"]
        )
        self._client: BlockingKernelClient = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(LIMIT)

    def begin(self, source: str, *, watched: bool = True) -> str:
        """Start a cell; `watched` says whether a person could be asked for input."""
        return str(self._client.execute(source, allow_stdin=watched))

    def end(self, cell: str) -> Outcome:
        """Wait for a cell that was started, and return how it ended."""
        shown: list[dict[str, Any]] = []
        while True:
            message = self._client.get_iopub_msg(timeout=LIMIT)
            if message["parent_header"].get("msg_id") == cell:
                if message["content"].get("execution_state") == "idle":
                    break
                shown.append(message)
        while (reply := self._client.get_shell_msg(timeout=LIMIT))["parent_header"]["msg_id"] != cell:
            pass
        return Outcome(reply["content"].get("ename", ""), shown)

    def run(self, source: str) -> None:
        """Run a cell that must not fail."""
        outcome = self.end(self.begin(source))
        assert outcome.error == "", outcome.shown

    def interrupt(self, source: str, when: Callable[[], object]) -> Outcome:
        """Start a cell, press the stop button as soon as `when()` is true, and return how it ended."""
        cell = self.begin(source)
        wait_until(when, "The moment to interrupt", timeout=LIMIT)
        self._manager.interrupt_kernel()
        return self.end(cell)

    def children(self) -> list[str]:
        """The command lines of what the kernel started, and has not detached."""
        kernel = psutil.Process(self.pid)
        alive = (child for child in kernel.children(recursive=True) if child.status() != psutil.STATUS_ZOMBIE)
        return [" ".join(child.cmdline()) for child in alive]

    @property
    def pid(self) -> int:
        return int(self._manager.provisioner.pid)  # type: ignore[union-attr]  # it runs

    def restart(self) -> None:
        """Restart the kernel; what it knew is gone."""
        self._manager.restart_kernel(now=True)
        self._client.wait_for_ready(LIMIT)

    def close(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel()
