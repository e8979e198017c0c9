"""How far people have come in the course, as tables: one person's, or a class's."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from labkit.errors import LabkitError
from labkit.notebook.exercises import progress
from labkit.notebook.exercises.checks import Checks
from labkit.notebook.exercises.in_redis import InRedis
from labkit.notebook.exercises.lua_and_sidecars import LuaAndSidecars
from labkit.notebook.exercises.progress import Attempt, Attempts
from labkit.notebook.exercises.query_and_plot import QueryAndPlot
from labkit.notebook.exercises.record_and_batch import RecordAndBatch
from labkit.notebook.exercises.start_here import StartHere
from labkit.ui.tables import Table

LESSONS: tuple[type[Checks], ...] = (StartHere, RecordAndBatch, InRedis, LuaAndSidecars, QueryAndPlot)
_SOLVED = ("solved", "solved after a hint", "solved after two hints", "solved with the solution")
_TRIED = ("tried", "tried, a hint seen", "tried, two hints seen", "tried, the solution seen")

Course = dict[str, Attempts]


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
        return {notebook: progress.from_json(tried) for notebook, tried in held.items()}
    except progress.UNREADABLE as error:
        raise LabkitError(f"{path} is not what `labkit course --json` prints: {error}") from None


def exercises(course: Course) -> Table:
    """Return a row for each exercise: how it went, wrong answers, and when it was solved."""
    rows = [
        (lesson.notebook, name, _state(one), str(one.wrong), one.solved)
        for lesson in LESSONS
        for name, one in _attempts(lesson, course).items()
    ]
    return Table(("notebook", "exercise", "how it went", "wrong answers", "solved"), rows)


def notebooks(course: Course) -> Table:
    """Return a row for each notebook: how many of its exercises are solved."""
    return Table(("notebook", "solved"), [(lesson.notebook, _done(lesson, course)) for lesson in LESSONS])


def people(paths: Sequence[Path]) -> Table:
    """Return a row for each person, whose name is that of the file: what is solved of each notebook.

    Raises:
        LabkitError: a file is not what `exported` makes.
    """
    rows = []
    for path in paths:
        course = collected(path)
        rows.append((path.stem, *(_done(lesson, course) for lesson in LESSONS)))
    return Table(("who", *(lesson.notebook[:2] for lesson in LESSONS)), rows)


def _done(lesson: type[Checks], course: Course) -> str:
    attempts = _attempts(lesson, course)
    return f"{sum(bool(one.solved) for one in attempts.values())} of {len(attempts)}"


def _attempts(lesson: type[Checks], course: Course) -> Attempts:
    tried = course.get(lesson.notebook, {})
    return {name: tried.get(name, Attempt()) for name in lesson.exercises()}


def _state(attempt: Attempt) -> str:
    if attempt.solved:
        return _SOLVED[attempt.hints]
    return _TRIED[attempt.hints] if attempt.wrong or attempt.hints else "not tried"
