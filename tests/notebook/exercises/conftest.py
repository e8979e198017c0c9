"""One lab for all of them, in which a small day has passed."""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from labkit import Stack
from labkit.experiments import ledger
from labkit.notebook.exercises.checks import Checks
from labkit.store import client

# Shows the answer to an exercise, and returns what a student reads.
Reply = Callable[[Checks, str, object], str]


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A lab that refused three customers and has served others; its traffic is over, and has arrived."""
    home = tmp_path_factory.mktemp("exercises")
    with Stack.up(ports="auto", scrape_interval=1.0, flush_interval=0.5, home=home) as stack:
        for _ in range(3):
            httpx.get(stack.urls["store"] + "/api/store/served", trust_env=False)
        client.simulate(stack.urls["store"], customers=25, speed=20, seed=11)
        assert ledger.settle(stack)["equal"].all()
        _make_events_differ(stack)
        assert ledger.settle(stack)["equal"].all()
        yield stack


def _make_events_differ(stack: Stack) -> None:
    """A day is never twice the same; but an answer that is the number of two events cannot be told apart."""
    while _nearest(client.status(stack.urls["store"])["ledger"]["events"].values()) < 3:
        for step in (*["join"] * 6, *["look-around"] * 3, "left"):
            httpx.get(f"{stack.urls['store']}/api/store/{step}", trust_env=False)


def _nearest(counts: Iterable[int]) -> int:
    return min(more - less for less, more in pairwise(sorted(counts)))


@pytest.fixture(autouse=True)
def progress_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nobody's progress but this test's."""
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def reply(capsys: pytest.CaptureFixture[str]) -> Reply:
    def of(check: Checks, name: str, answer: object) -> str:
        capsys.readouterr()
        getattr(check, name)(answer)
        return capsys.readouterr().out

    return of
