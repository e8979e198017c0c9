"""Progress is private, whole, and never in the way."""

import stat
from pathlib import Path

import pytest

from labkit import Stack
from labkit.errors import StackError
from labkit.notebook.exercises import progress
from labkit.notebook.exercises.in_redis import InRedis
from labkit.notebook.exercises.progress import Attempt
from tests.notebook.exercises.conftest import Reply

FILE = ".labkit-course/02-redis.json"


def test_what_is_saved_is_loaded_and_private(progress_home: Path) -> None:
    """Nobody else may read it, and nothing else lies beside it."""
    attempts = {"mean": progress.solved(Attempt(wrong=2, hints=1))}
    progress.save("02-redis", attempts)
    assert progress.load("02-redis") == attempts
    assert stat.S_IMODE((progress_home / FILE).stat().st_mode) == 0o600
    assert [path.name for path in progress_home.iterdir()] == [".labkit-course"]


def test_nothing_is_made_by_looking(progress_home: Path) -> None:
    """Who has tried nothing has no files."""
    assert progress.load("02-redis") == {}
    assert list(progress_home.iterdir()) == []


def test_the_first_time_counts() -> None:
    """What is tried after an exercise was solved changes nothing."""
    solved = progress.solved(Attempt(wrong=1))
    assert progress.failed(solved) == progress.helped(solved, 3) == progress.solved(solved) == solved


def test_a_damaged_file_is_named(lab: Stack, progress_home: Path, reply: Reply) -> None:
    """The answer is checked all the same, and the message says which file it is."""
    progress.save("02-redis", {})
    (progress_home / FILE).write_text("[1]")
    with pytest.raises(StackError, match=r"02-redis.json, the progress of the course, cannot be read"):
        progress.load("02-redis")
    said = reply(InRedis(lab), "mean", 1001)
    assert "✘ `mean`: " in said and "02-redis.json, the progress of the course" in said


def test_a_folder_that_is_not_ours_is_refused(lab: Stack, progress_home: Path, reply: Reply) -> None:
    """A link leads nowhere, and the answer is checked all the same."""
    (progress_home / "elsewhere").mkdir()
    (progress_home / ".labkit-course").symlink_to(progress_home / "elsewhere")
    said = reply(InRedis(lab), "mean", 1001)
    assert "✘ `mean`: " in said and "is a link" in said
    assert list((progress_home / "elsewhere").iterdir()) == []
