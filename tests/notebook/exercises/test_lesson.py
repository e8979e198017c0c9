"""The solutions that are shown are those of the notebooks."""

import ast

import pytest

from labkit.notebook.exercises import lesson
from labkit.notebook.exercises.checks import Checks
from labkit.notebook.exercises.status import LESSONS


@pytest.mark.parametrize("checks", LESSONS)
def test_each_exercise_has_a_solution_that_can_be_copied(checks: type[Checks]) -> None:
    """It is Python, checks as a student's answer does, and says nothing of being a solution."""
    for name in checks.exercises():
        source = lesson.solution(checks.notebook, name)
        assert ast.parse(source)
        assert f"check.{name}(" in source
        assert "olution" not in source


def test_a_notebook_has_a_short_name() -> None:
    """Without its number, and what follows the colon."""
    titles = [lesson.title(checks.notebook) for checks in LESSONS]
    assert titles == ["Start here", "Record and batch", "Redis", "Lua and the sidecars", "Query and plot"]
