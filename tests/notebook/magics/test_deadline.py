"""One limit for several waits."""

from threading import Event
from time import monotonic

import pytest

from labkit.notebook.magics.deadline import Deadline


def test_work_within_the_limit_is_as_if_called() -> None:
    """What it returns is returned, what it raises is raised."""
    deadline = Deadline(60)
    assert deadline.run(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        deadline.run(lambda: 1 / 0)


def test_several_waits_have_one_limit() -> None:
    """The second has what the first one left, less what is kept for later; then nothing is left."""
    never, deadline = Event(), Deadline(1)
    deadline.run(lambda: never.wait(0.5))
    with pytest.raises(TimeoutError):
        deadline.run(never.wait, reserve=0.4)
    assert 0.5 <= deadline.elapsed < 1
    with pytest.raises(TimeoutError):
        deadline.run(never.wait)
    began = monotonic()
    with pytest.raises(TimeoutError):
        deadline.run(never.wait)
    assert monotonic() - began < 0.5
    never.set()
