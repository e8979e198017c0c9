"""Wishes: the last one counts, subjects do not wait for each other, and errors are told."""

from threading import Event

from harness.process import wait_until
from labkit.notebook.panel.latest_job_queue import LatestJobQueue


def nobody(*_: object) -> None:
    """Nobody listens."""


def fail() -> None:
    raise OSError("cut")


def test_of_many_wishes_the_last_one_is_done() -> None:
    """One at a time; those between the one at work and the last are left out."""
    begun, go_on, done = Event(), Event(), list[int]()

    def first() -> None:
        begun.set()
        go_on.wait(10)
        done.append(0)

    jobs = LatestJobQueue(nobody, nobody)
    jobs.submit("rate", first)
    assert begun.wait(10)
    for number in range(1, 6):
        jobs.submit("rate", lambda number=number: done.append(number))  # type: ignore[misc]  # mypy and defaults
    assert jobs.busy == ["rate"]
    go_on.set()
    wait_until(lambda: not jobs.busy, "The end of the jobs")
    assert done == [0, 5]


def test_one_subject_does_not_wait_for_another() -> None:
    """Redis can be woken while something waits for it."""
    woken = Event()

    def wait_for_redis() -> None:
        woken.wait(10)

    jobs = LatestJobQueue(nobody, nobody)
    jobs.submit("store", wait_for_redis)
    jobs.submit("redis", woken.set)
    wait_until(lambda: not jobs.busy, "The end of both")
    assert woken.is_set()


def test_an_error_is_told_and_the_next_wish_is_done() -> None:
    """Whatever was raised."""
    told, done = list[tuple[str, str]](), Event()
    jobs = LatestJobQueue(lambda subject, error: told.append((subject, repr(error))), nobody)
    jobs.submit("redis", fail)
    wait_until(lambda: not jobs.busy, "The end of the first")
    jobs.submit("redis", done.set)
    assert done.wait(10)
    assert told == [("redis", "OSError('cut')")]
