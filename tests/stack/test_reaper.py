"""A lab that a kernel started ends with the notebook: after a while, not after a restart, and not if it shall stay."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from harness.process import wait_until
from labkit.stack import Stack, processes
from labkit.stack.session import GRACE, NOTEBOOK
from tests.kernel import Notebook

UP = "from labkit import Stack; stack = Stack.up(ports='auto', scrape_interval=1, flush_interval=1{})"
GRACE_SECONDS = 2


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home whose kernels are waited for only a moment; nothing stays."""
    monkeypatch.setenv(GRACE, str(GRACE_SECONDS))
    yield tmp_path
    Stack.clear_all(tmp_path)
    assert processes.of_lab(tmp_path) == []


@pytest.fixture
def notebook(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    """The kernel of talk.ipynb, as JupyterLab starts it."""
    monkeypatch.setenv(NOTEBOOK, str(home / "Talk.ipynb"))
    notebook = Notebook(home)
    monkeypatch.delenv(NOTEBOOK)
    yield notebook
    notebook.close()


def test_a_killed_kernel_takes_its_lab_with_it(home: Path, notebook: Notebook) -> None:
    """Every process and every file; and nothing of a lab that another started."""
    notebook.run(UP.format(""))
    other = Stack.up(home=home, name="other", ports="auto")
    assert [stack.name for stack in Stack.all(home)] == ["other", "talk"]
    os.kill(notebook.pid, signal.SIGKILL)
    wait_until(lambda: [stack.name for stack in Stack.all(home)] == ["other"], "The end of its lab", timeout=60)
    wait_until(lambda: processes.of_lab(home / ".labkit/talk") == [], "The end of who ended it")
    assert {row.state for row in other.status()} == {"answering"}


def test_a_restarted_kernel_finds_its_lab(home: Path, notebook: Notebook) -> None:
    """By its name, before any other; and the lab stays as long as the new kernel does, used or not."""
    notebook.run(UP.format(""))
    Stack.up(home=home, name="other", ports="auto")
    (before,) = (stack for stack in Stack.all(home) if stack.name == "talk")
    notebook.restart()
    restarted = monotonic()
    wait_until(lambda: monotonic() > restarted + 2 * GRACE_SECONDS, "Time enough to end a lab")
    assert before.status() == Stack.attach(home, name="talk").status()
    notebook.run("from labkit import Stack; stack = Stack.attach(); assert stack.name == 'talk', stack.name")
    notebook.run(UP.format("") + f"; assert stack.urls == {before.urls}, stack.urls")
    notebook.run("stack.down()")
    assert [stack.name for stack in Stack.all(home)] == ["other"]


def test_a_lab_that_shall_stay_stays(home: Path, notebook: Notebook) -> None:
    """It has nobody who could end it."""
    notebook.run(UP.format(", keep=True"))
    assert processes.of_lab(home, "reaper") == []
    os.kill(notebook.pid, signal.SIGKILL)
    assert {row.state for row in Stack.attach(home).status()} == {"answering"}
