"""`make fresh` shows what a machine lacks that has nothing; here, what can be tested without making one."""

import os
import runpy
from typing import Any

import pytest

from tests import ROOT

SCRIPT = ROOT / "scripts/fresh.py"


@pytest.fixture
def fresh() -> dict[str, Any]:
    """What the script defines."""
    return runpy.run_path(str(SCRIPT))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["potato", "demo"], "invalid choice: 'potato'"),
        (["trixie", "lab"], "invalid choice: 'lab'"),
        (["trixie"], "required: targets"),
    ],
)
def test_a_wrong_argument_is_named(
    fresh: dict[str, Any], arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is made."""
    with pytest.raises(SystemExit, match="2"):
        fresh["main"](arguments)
    assert complaint in capsys.readouterr().err


def test_only_root_makes_a_machine(
    fresh: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Anybody else is told at once, and why."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit, match="2"):
        fresh["main"](["trixie", "demo"])
    assert "only root can make a machine" in capsys.readouterr().err
