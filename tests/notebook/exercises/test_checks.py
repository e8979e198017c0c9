"""What a student sees: a verdict, two hints, the solution, and how far they have come."""

import numpy as np
import pandas as pd
import pytest

from labkit import Stack
from labkit.notebook.exercises import lua_and_sidecars, progress
from labkit.notebook.exercises.checks import Checks
from labkit.notebook.exercises.in_redis import InRedis
from labkit.notebook.exercises.progress import Attempt
from labkit.notebook.exercises.start_here import StartHere
from labkit.notebook.exercises.status import LESSONS
from tests.notebook.exercises.conftest import Reply

# What a cell may hold that has gone wrong.
STRANGE: tuple[object, ...] = (
    *(object(), print, Stack, 1j, 10**400, -1, True, float("inf"), "", " ", b"\xff", "nan", "\0", [], {}, set(), [[1]]),
    *(
        np.array(-5),
        np.zeros((2, 2)),
        np.bool_(True),
        pd.NA,
        pd.NaT,
        pd.DataFrame(),
        pd.DataFrame({"a": [1], "b": [2]}),
    ),
    *(pd.Series([], dtype=float), pd.Series({"value": None}), [None], {"value": []}, ("lab", "lab"), frozenset({1, 2})),
)


def test_two_hints_come_and_then_the_solution(lab: Stack, reply: Reply) -> None:
    """With each new wrong answer one more; the solution is the notebook's own, as a student would write it."""
    check = InRedis(lab)
    assert "Hint 1: A mean is what was observed" in reply(check, "mean", 1001)
    assert "Hint 2: " in reply(check, "mean", 1002)
    third = reply(check, "mean", 1003)
    assert "The solution, to read and to try" in third
    assert 'check.mean(observed["sum"] / observed["count"])' in third


def test_a_cell_that_is_run_twice_costs_no_hint(lab: Stack, reply: Reply) -> None:
    """The same wrong answer is one answer."""
    check = InRedis(lab)
    reply(check, "mean", 1001)
    assert "Hint" not in reply(check, "mean", 1001)
    assert progress.load("02-redis")["mean"] == Attempt(wrong=1, hints=1)


def test_a_hint_can_be_had_without_an_answer(lab: Stack, reply: Reply, capsys: pytest.CaptureFixture[str]) -> None:
    """`...` is no answer, and says how to ask; a name that does not exist is answered with those that do."""
    check = StartHere(lab)
    assert "`joined` waits for your answer" in reply(check, "joined", ...)
    assert "Stuck? `check.hint('joined')`" in reply(check, "joined", ...)
    assert "Hint 1: " in reply(check, "hint", "joined")
    assert "there are `joined`, `left`, `lost`" in reply(check, "hint", "jioned")
    assert progress.load("00-start-here") == {"joined": Attempt(hints=1)}


def test_progress_outlives_the_kernel(lab: Stack, reply: Reply) -> None:
    """New checks, as after a restart, know what was solved and tried; what is tried after that changes nothing."""
    line = "Exercises of 00 · Start here, 1 of 3 solved: ✔ joined · ◐ left · ☐ lost"
    reply(StartHere(lab), "left", 987654)
    said = reply(StartHere(lab), "joined", StartHere(lab)._events()["joined"])
    assert line in said.replace("\N{NO-BREAK SPACE}", " ")
    reply(StartHere(lab), "joined", 987654)
    assert progress.load("00-start-here")["joined"].wrong == 0


def test_a_lab_that_is_gone_is_no_wrong_answer(lab: Stack, reply: Reply, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be checked is said with the reason, and counts as nothing."""
    with lab.stopped("prometheus"):
        assert "`refused` cannot be checked now: " in reply(LESSONS[4](lab), "refused", 5)
    with lab.stopped("redis"):
        assert "`mean` cannot be checked now: " in reply(InRedis(lab), "mean", 5)
    assert progress.load("02-redis") == progress.load("04-query-and-plot") == {}


def test_solutions_count_for_nobody_and_fail_loudly(lab: Stack, reply: Reply) -> None:
    """A notebook that solves its own exercise wrongly fails; one that does so rightly shows no answer to Run All."""
    check = StartHere(lab)
    joined = check._events()["joined"]
    assert "this solution is right" in reply(check.solution, "joined", joined)
    assert str(joined) not in reply(check.solution, "joined", joined)
    with pytest.raises(AssertionError, match="00-start-here, joined: 987654 is not the number of any event"):
        check.solution.joined(987654)
    assert progress.load("00-start-here") == {}


@pytest.mark.parametrize("lesson", LESSONS)
def test_no_answer_is_answered_by_an_error(
    lab: Stack, reply: Reply, monkeypatch: pytest.MonkeyPatch, lesson: type[Checks]
) -> None:
    """Whatever is handed in, a verdict comes back."""
    monkeypatch.setattr(lua_and_sidecars, "_PATIENCE", 0.0)
    for name in lesson.exercises():
        for answer in STRANGE:
            said = reply(lesson(lab), name, answer)
            assert f"✘ `{name}`: " in said, answer


@pytest.mark.parametrize("lesson", LESSONS)
def test_each_check_is_a_question_with_two_hints(lesson: type[Checks]) -> None:
    """`check.NAME?` shows the question; the hints are two, and differ."""
    for name, one in lesson.exercises().items():
        assert str(getattr(lesson, name).__doc__).endswith("?"), name
        assert len(set(one.hints)) == 2 and all(one.hints), name
