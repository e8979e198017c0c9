"""How far somebody has come: one private file for each notebook, so that a new kernel knows it, too."""

import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from labkit.errors import StackError
from labkit.stack.home import find_home
from labkit.stack.private import PrivateFolder

_FOLDER = ".labkit-course"


@dataclass(frozen=True)
class Attempt:
    """What became of one exercise: wrong answers, hints seen, and when it was solved."""

    wrong: int = 0
    hints: int = 0
    solved: str = ""


Attempts = dict[str, Attempt]
# What is raised by a file that holds no attempts.
UNREADABLE = (OSError, ValueError, TypeError, AttributeError, RecursionError)


def folder() -> PrivateFolder:
    """Return where progress is kept: beside the user's labs, which come and go, and not in the course's own folder."""
    return PrivateFolder(find_home() / _FOLDER)


def load(notebook: str) -> Attempts:
    """Return the exercises of a notebook that somebody has tried.

    Raises:
        StackError: there is a file, and it cannot be read.
    """
    if not folder().exists():
        return {}
    try:
        return from_json(json.loads(folder().read(_file(notebook))))
    except FileNotFoundError:
        return {}
    except UNREADABLE as error:
        raise StackError(f"{_file(notebook)}, the progress of the course, cannot be read: {error}.") from None


def from_json(held: Any) -> Attempts:
    """Return attempts from what JSON holds of them."""
    return {name: Attempt(**one) for name, one in held.items()}


def save(notebook: str, attempts: Attempts) -> None:
    """Keep what became of the exercises of a notebook.

    Raises:
        StackError: the disk says no, or what is there is not labkit's.
    """
    folder().make()
    try:
        folder().write(_file(notebook), json.dumps({name: asdict(one) for name, one in attempts.items()}, indent=1))
    except OSError as error:
        raise StackError(f"The progress of the course cannot be kept: {error}.") from None


def failed(attempt: Attempt) -> Attempt:
    """Return an attempt after one more wrong answer; what is tried after the right one does not count."""
    return attempt if attempt.solved else replace(attempt, wrong=attempt.wrong + 1)


def helped(attempt: Attempt, hints: int) -> Attempt:
    """Return an attempt after so many hints; the third is the solution."""
    return attempt if attempt.solved else replace(attempt, hints=max(attempt.hints, hints))


def solved(attempt: Attempt) -> Attempt:
    """Return an attempt after the right answer; the first time counts."""
    return attempt if attempt.solved else replace(attempt, solved=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC")


def _file(notebook: str) -> str:
    return f"{notebook}.json"
