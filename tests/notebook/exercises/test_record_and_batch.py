"""Notebook 01: each typical wrong answer hears what it is, and nothing done before disturbs."""

import pytest

from labkit import RedisMetricsService, Stack
from labkit.notebook.exercises.record_and_batch import RecordAndBatch
from tests.notebook.exercises.conftest import Reply


@pytest.mark.parametrize(
    ("name", "wrong", "says"),
    [
        ("total", 3, "3 is what *one* writer holds"),
        ("total", 4, "4 is what *one* writer holds"),
        ("total", 0, "0 is what is left when both are closed"),
        ("total", 14, "14 is 2 times as much: writers of an earlier run are still open"),
        ("total", 12, "12 is not what the two hold together"),
        ("total", None, "as of a key or a row that is not there"),
        ("total", b'{"value":7,"created":1}', "the answer is a number"),
        ("total", {"value": 7, "created": 1}, "It is a whole mapping, of `value`, `created`"),
        ("batches", 15.625, "15.625 is the quotient"),
        ("batches", 15, "15 batches hold 960 series at most"),
        ("batches", 1000, "1000 would be a batch for each series"),
        ("batches", 0, "nothing was sent between the two readings"),
        ("batches", -16, "take *before* from *after*"),
        ("batches", 1, "1 batches hold 64 series"),
        ("batches", 40, "40 is too many. Does it contain what had been sent *before*?"),
        ("batches", {"applied": 16, "failed": 0}, "It is a whole mapping"),
    ],
)
def test_a_wrong_answer_hears_what_it_is(lab: Stack, reply: Reply, name: str, wrong: object, says: str) -> None:
    """One writer, a closed one, one too many, a quotient: each is called by its name."""
    said = reply(RecordAndBatch(lab), name, wrong)
    assert f"✘ `{name}`: " in said and says in said


def test_the_right_answers_are_right_whatever_was_left_open(lab: Stack, reply: Reply) -> None:
    """A writer that was never closed, with the exercise's own name, and a gauge declared otherwise, disturb nothing."""
    check = RecordAndBatch(lab)
    with RedisMetricsService(lab.urls["redis"]) as left_open:
        left_open.gauge(check.fresh("lab_connections"), "Open.", shared="sum").set(7)
        left_open.gauge(check.fresh("lab_rooms"), "Without a label.").set(1)
        left_open.flush()
        assert "✔ `total`: 7" in reply(check, "total", 7)
        assert "✔ `batches`: 16" in reply(check, "batches", 16)
        assert check.fresh("lab_connections") not in ("lab_connections", "lab_rooms")
