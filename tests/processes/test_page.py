"""docs/processes.md shows the programs that these tests run."""

import pytest

from tests import ROOT
from tests.processes.program import PROGRAMS

PAGE = (ROOT / "docs" / "processes.md").read_text()


@pytest.mark.parametrize("program", ["wsgi.py", "asgi.py"])
def test_the_page_shows_the_programs(program: str) -> None:
    """The examples for gunicorn and uvicorn stand there word for word."""
    assert f"```python\n{(PROGRAMS / program).read_text()}```" in PAGE


@pytest.mark.parametrize("program", ["ends.py", "children.py"])
def test_the_page_shows_the_line_for_sigterm(program: str) -> None:
    """The line that opts in is the one that the programs have."""
    line = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))"
    assert f"```python\n{line}\n```" in PAGE
    assert line in (PROGRAMS / program).read_text()
