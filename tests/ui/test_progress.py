"""Long work shows its progress to a person who watches, and nothing when nobody does."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel import Notebook, Outcome

WIDGET = "application/vnd.jupyter.widget-view+json"
IMPORT = "from labkit.ui.progress import progress"
BAR = "with progress('Something') as tell:\n    tell(0.5)\n    tell(1.0)"


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    notebook = Notebook(tmp_path_factory.mktemp("home"))
    notebook.run(IMPORT)
    yield notebook
    notebook.close()


def shown(outcome: Outcome) -> str:
    assert outcome.error == "", outcome.shown
    return str([message for message in outcome.shown if message["msg_type"] in ("display_data", "stream")])


def test_a_person_sees_a_bar(notebook: Notebook) -> None:
    """It is a widget, labeled with what is being done."""
    told = shown(notebook.end(notebook.begin(BAR)))
    assert WIDGET in told
    assert "Something" in told


def test_a_bar_leaves_nothing_behind(notebook: Notebook) -> None:
    """A saved notebook would look for a widget that is gone, so what the cell showed is emptied."""
    outcome = notebook.end(notebook.begin(BAR))
    *_, last = [message for message in outcome.shown if "display_id" in str(message["content"])]
    assert last["msg_type"] == "update_display_data"
    assert last["content"]["data"] == {}


def test_a_program_that_runs_a_notebook_gets_none(notebook: Notebook) -> None:
    """Papermill, nbval and nbconvert do not let cells ask for input: that is how they are known."""
    assert shown(notebook.end(notebook.begin(BAR, watched=False))) == "[]"


def test_without_widgets_there_is_a_bar_of_text(tmp_path: Path) -> None:
    """And no warning that something should be installed."""
    notebook = Notebook(tmp_path)
    notebook.run(f"import sys\nsys.modules['ipywidgets'] = None\n{IMPORT}")
    told = shown(notebook.end(notebook.begin(BAR)))
    notebook.close()
    assert "Something:   0%" in told
    assert not {word for word in ("Warning", "install", WIDGET) if word in told}


def test_a_pipe_gets_none() -> None:
    """Logs stay readable: without a terminal, nothing is printed."""
    done = subprocess.run([sys.executable, "-c", f"{IMPORT}\n{BAR}"], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")
