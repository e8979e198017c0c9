"""The checks of one notebook: each answer gets a reply, and none of them an error."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Any, ClassVar, Self

from IPython.display import display
from redis import Redis, RedisError

from labkit.errors import LabkitError, StackError
from labkit.keyspace.connection import connect
from labkit.notebook.exercises import lesson, progress
from labkit.notebook.exercises.names import fresh
from labkit.notebook.exercises.progress import Attempt, Attempts
from labkit.notebook.exercises.reading import NotAnAnswer
from labkit.notebook.exercises.verdict import Verdict, box, code, wrong
from labkit.prometheus.query import Prometheus
from labkit.stack import Stack
from labkit.ui.tables import Html

Judge = Callable[[Any, Any], Verdict]


@dataclass(frozen=True)
class Exercise:
    """One check: how it judges, and what helps before the solution does."""

    name: str
    judge: Judge
    hints: tuple[str, str]


def exercise(first: str, second: str) -> Callable[[Judge], Callable[..., None]]:
    """Make a check of a method that judges an answer; it has two hints."""

    def declare(judge: Judge) -> Callable[..., None]:
        @wraps(judge)
        def check(self: "Checks", answer: object = ...) -> None:
            self._reply(one, answer)

        one = Exercise(judge.__name__, judge, (first, second))
        check.exercise = one  # type: ignore[attr-defined]  # how `exercises` finds it
        return check

    return declare


class Checks:
    """The exercises of a notebook, on the lab that it started.

    `check.NAME(answer)` says whether an answer is right, or what it is instead; after two hints it shows the solution.
    `check.hint("NAME")` gives the next hint without an answer.
    """

    notebook: ClassVar[str]

    def __init__(self, stack: Stack, *, solves: bool = False) -> None:
        self._stack, self._solves = stack, solves
        self._tried: dict[str, list[str]] = {}
        self._hints: dict[str, int] = {}

    @classmethod
    def exercises(cls) -> dict[str, Exercise]:
        """Return the exercises by name, in the order of the notebook."""
        found = (getattr(member, "exercise", None) for member in vars(cls).values())
        return {one.name: one for one in found if one}

    @property
    def solution(self) -> Self:
        """The same checks for the notebook's own solutions: they are not counted, and a wrong one is an error."""
        return type(self)(self._stack, solves=True)

    def hint(self, name: str) -> None:
        """Show the next hint for an exercise; after two, the solution."""
        if name not in self.exercises():
            known = ", ".join(f"`{name}`" for name in self.exercises())
            display(box(None, f"There is no exercise `{name}` here; there are {known}."))
            return
        display(box(None, f"`{name}`. {self._help(self.exercises()[name])}"), *self._last_resort(name))

    def fresh(self, name: str) -> str:
        """Return this name, or one made of it, that no metric has yet: each run of a cell begins anew."""
        with self._redis() as server:
            return fresh(server, name)

    def __repr__(self) -> str:
        return repr(self._line())

    def _repr_html_(self) -> str:
        return self._line()._repr_html_()

    def _reply(self, one: Exercise, answer: object) -> None:
        if self._solves:
            self._solve(one, answer)
        elif answer is ...:
            waits = f"`{one.name}` waits for your answer, in the place of `...`"
            display(box(None, f"{waits}. Stuck? `check.hint({one.name!r})`"))
        else:
            self._weigh(one, answer)

    def _solve(self, one: Exercise, answer: object) -> None:
        verdict = self._judged(one, answer)
        assert verdict.right, f"{self.notebook}, {one.name}: {verdict.text}"  # noqa: S101  the notebook's own tests
        # Not what is right: with Run All, it would stand below the question before anybody has thought.
        display(box(True, f"`{one.name}`: this solution is right, and counts for nobody."))

    def _weigh(self, one: Exercise, answer: object) -> None:
        try:
            verdict = self._judged(one, answer)
        except (LabkitError, RedisError) as error:
            display(box(None, f"`{one.name}` cannot be checked now: {error}"))
            return
        if verdict.right:
            self._note(one.name, progress.solved)
            display(box(True, f"`{one.name}`: {verdict.text}"), self._line())
        else:
            self._correct(one, answer, verdict)

    def _correct(self, one: Exercise, answer: object, verdict: Verdict) -> None:
        tried = self._tried.setdefault(one.name, [])
        helps = ""
        # A cell that is run twice is one answer, and costs no hint.
        if repr(answer) not in tried:
            tried.append(repr(answer))
            self._note(one.name, progress.failed)
            helps = self._help(one)
        display(box(False, f"`{one.name}`: {verdict.text}", helps), *self._last_resort(one.name))

    def _judged(self, one: Exercise, answer: object) -> Verdict:
        try:
            return one.judge(self, answer)
        except NotAnAnswer as reason:
            return wrong(str(reason))

    def _help(self, one: Exercise) -> str:
        given = self._hints[one.name] = min(self._hints.get(one.name, 0) + 1, 3)
        self._note(one.name, lambda attempt: progress.helped(attempt, given))
        return f"Hint {given}: {one.hints[given - 1]}" if given < 3 else "The solution, to read and to try:"

    def _last_resort(self, name: str) -> Iterator[object]:
        if self._hints.get(name) == 3:
            yield code(lesson.solution(self.notebook, name))

    def _note(self, name: str, change: Callable[[Attempt], Attempt]) -> None:
        try:
            attempts = progress.load(self.notebook)
            progress.save(self.notebook, attempts | {name: change(attempts.get(name, Attempt()))})
        except StackError as error:
            display(box(None, str(error)))

    def _line(self) -> Html:
        try:
            return box(None, line(self.notebook, list(self.exercises()), progress.load(self.notebook)))
        except StackError as error:
            return box(None, str(error))

    def _urls(self) -> dict[str, str]:
        # Asked anew: the notebook may have ended its lab, and started another of the same name.
        return Stack.attach(self._stack.home, name=self._stack.name).urls

    def _redis(self) -> Redis:
        return connect(self._urls()["redis"], timeout=5)

    def _prometheus(self) -> Prometheus:
        return Prometheus(self._urls()["prometheus"])


def line(notebook: str, names: list[str], attempts: Attempts) -> str:
    """Return how far somebody has come in a notebook, in one line."""
    marks = " · ".join(f"{_mark(attempts.get(name, Attempt()))}\N{NO-BREAK SPACE}{name}" for name in names)
    done = sum(bool(attempts.get(name, Attempt()).solved) for name in names)
    return f"Exercises of {notebook[:2]} · {lesson.title(notebook)}, {done} of {len(names)} solved: {marks}"


def _mark(attempt: Attempt) -> str:
    return "✔" if attempt.solved else "◐" if attempt.wrong or attempt.hints else "☐"
