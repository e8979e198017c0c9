"""Whose lab it is: a notebook's, by its path; a kernel's, if nothing else is known; or everybody's."""

import os
import subprocess
import sys

import pytest

from labkit.stack.session import NOTEBOOK, SHARED, Session, session


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/srv/notebooks/00-start-here.ipynb", "00-start-here"),
        ("/srv/My Talk (final).ipynb", "my-talk-final"),
        ("/srv/Ünïcode_2.ipynb", "n-code_2"),
        ("/srv/....ipynb", "notebook"),
        (f"/srv/{'long ' * 30}.ipynb", "long-long-long-long-long-long-lo"),
    ],
)
def test_a_lab_is_called_as_its_notebook(monkeypatch: pytest.MonkeyPatch, path: str, name: str) -> None:
    """Short, and fit for a folder and for an option."""
    monkeypatch.setenv(NOTEBOOK, path)
    assert session() == Session(path, name)


def test_elsewhere_all_share_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Terminals and scripts; and to ask does not load IPython."""
    monkeypatch.delenv(NOTEBOOK, raising=False)
    assert session() == Session("", SHARED, 0)
    code = "import sys, labkit.stack.session as s; s.session(); print('IPython' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
