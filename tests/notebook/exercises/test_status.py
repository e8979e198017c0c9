"""`labkit course`: how far one has come, and how far a class has."""

from pathlib import Path

import pytest

from labkit.cli import app as cli
from labkit.notebook.exercises import progress
from labkit.notebook.exercises.progress import Attempt


@pytest.fixture
def ana() -> None:
    """Somebody who has solved one exercise with a hint, and tried another."""
    attempts = {"joined": Attempt(wrong=1, hints=1, solved="2026-11-27 12:00 UTC"), "left": Attempt(wrong=3, hints=3)}
    progress.save("00-start-here", attempts)


def _printed(capsys: pytest.CaptureFixture[str], *words: str) -> list[list[str]]:
    assert cli.run(["course", *words]) == 0
    return [line.split("\t") for line in capsys.readouterr().out.splitlines()]


def test_each_exercise_says_how_it_went(ana: None, capsys: pytest.CaptureFixture[str]) -> None:
    """All exercises of all notebooks, in their order, also those that nobody has tried."""
    rows = _printed(capsys, "--status")
    assert rows[0] == ["00-start-here", "joined", "solved after a hint", "1", "2026-11-27 12:00 UTC"]
    assert rows[1] == ["00-start-here", "left", "tried, the solution seen", "3", ""]
    assert rows[2][2] == "not tried" and len(rows) == 13
    assert _printed(capsys)[:2] == [["00-start-here", "1 of 3"], ["01-record-and-batch", "0 of 2"]]


def test_a_teacher_sees_a_row_for_each(ana: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What each has exported, side by side."""
    assert cli.run(["course", "--json"]) == 0
    exported = capsys.readouterr().out
    for name in ("ana", "ben"):
        (tmp_path / f"{name}.json").write_text(exported if name == "ana" else "{}")
    rows = _printed(capsys, str(tmp_path / "ana.json"), str(tmp_path / "ben.json"))
    assert rows == [
        ["ana", "1 of 3", "0 of 2", "0 of 2", "0 of 4", "0 of 2"],
        ["ben", "0 of 3", "0 of 2", "0 of 2", "0 of 4", "0 of 2"],
    ]


def test_a_file_that_is_something_else_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One message, and exit code 1."""
    (tmp_path / "photo.json").write_text("[]")
    assert cli.run(["course", str(tmp_path / "photo.json")]) == 1
    assert "photo.json is not what `labkit course --json` prints" in " ".join(capsys.readouterr().err.split())
