"""How far people have come in the course, as rows of tables: one person's, or a class's."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from labkit.errors import LabkitError
from labkit.notebook.exercises import progress
from labkit.notebook.exercises.in_redis import InRedis
from labkit.notebook.exercises.lua_and_sidecars import LuaAndSidecars
from labkit.notebook.exercises.progress import Attempt, Attempts
from labkit.notebook.exercises.query_and_plot import QueryAndPlot
from labkit.notebook.exercises.record_and_batch import RecordAndBatch
from labkit.notebook.exercises.start_here import StartHere

LESSONS = (StartHere, RecordAndBatch, InRedis, LuaAndSidecars, QueryAndPlot)
_SOLVED = ("solved", "solved after a hint", "solved after two hints", "solved with the solution")
_TRIED = ("tried", "tried, a hint seen", "tried, two hints seen", "tried, the solution seen")

Course = dict[str, Attempts]
Row = tuple[str, ...]


def mine() -> Course:
    """Return what this user has tried, by notebook.

    Raises:
        StackError: a file of it cannot be read.
    """
    return {lesson.notebook: progress.load(lesson.notebook) for lesson in LESSONS}


def exported(course: Course) -> str:
    """Return a course as JSON, for a teacher to collect."""
    held = {notebook: {name: asdict(one) for name, one in tried.items()} for notebook, tried in course.items()}
    return json.dumps(held, indent=1)


def collected(path: Path) -> Course:
    """Return what somebody else has exported.

    Raises:
        LabkitError: the file is not that.
    """
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        return {notebook: {name: Attempt(**one) for name, one in tried.items()} for notebook, tried in held.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise LabkitError(f"{path} is not what `labkit course --json` prints: {error}") from None


def exercises(course: Course) -> list[Row]:
    """Return a row for each exercise: notebook, exercise, how it went, wrong answers, and when it was solved."""
    return [
        (lesson.notebook, name, _state(one), str(one.wrong), one.solved)
        for lesson in LESSONS
        for name, one in _attempts(lesson.exercises(), course.get(lesson.notebook, {}))
    ]


def notebooks(course: Course) -> list[Row]:
    """Return a row for each notebook: its name, and how many of its exercises are solved."""
    return [(lesson.notebook, done) for lesson, done in zip(LESSONS, _done(course), strict=True)]


def people(paths: Sequence[Path]) -> tuple[Row, list[Row]]:
    """Return the heads and a row for each person, whose name is that of the file: what is solved of each notebook.

    Raises:
        LabkitError: a file is not what `exported` makes.
    """
    heads = ("who", *(lesson.notebook[:2] for lesson in LESSONS))
    return heads, [(path.stem, *_done(collected(path))) for path in paths]


def _done(course: Course) -> Iterator[str]:
    for lesson in LESSONS:
        attempts = dict(_attempts(lesson.exercises(), course.get(lesson.notebook, {})))
        yield f"{sum(bool(one.solved) for one in attempts.values())} of {len(attempts)}"


def _attempts(names: Iterable[str], tried: Attempts) -> Iterator[tuple[str, Attempt]]:
    return ((name, tried.get(name, Attempt())) for name in names)


def _state(attempt: Attempt) -> str:
    if attempt.solved:
        return _SOLVED[attempt.hints]
    return _TRIED[attempt.hints] if attempt.wrong or attempt.hints else "not tried"
