"""One description of a table serves a notebook, a shell, a pipe and a terminal."""

import sys

import pytest

from labkit.ui.tables import LOOKS, Table
from labkit.ui.terminal import show

TABLE = Table(("service", "state", "URL"), [("redis", "answering", "redis://x"), ("store", "dead", "http://<y>")])


def test_a_notebook_gets_marks_and_links() -> None:
    """The word stands beside its mark, an address is a link, and nothing breaks out of its cell."""
    html = TABLE._repr_html_()
    assert "●</span> answering" in html and "✕</span> dead" in html
    assert 'href="http://&lt;y&gt;"' in html and "<y>" not in html


def test_a_shell_gets_columns() -> None:
    """Aligned, with the heads above them."""
    assert repr(TABLE).splitlines() == [
        "service  state      URL",
        "redis    answering  redis://x",
        "store    dead       http://<y>",
    ]


def test_a_pipe_gets_rows_and_a_terminal_colors(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a pipe there are tabs and no heads; on a terminal each state has the color that its description names."""
    show(TABLE)
    assert capsys.readouterr().out == "redis\tanswering\tredis://x\nstore\tdead\thttp://<y>\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    show(TABLE)
    printed = capsys.readouterr().out
    assert "service" in printed and "\x1b[32manswering" in printed and "\x1b[31mdead" in printed
    assert {LOOKS["answering"].style, LOOKS["dead"].style} == {"green", "red"}
