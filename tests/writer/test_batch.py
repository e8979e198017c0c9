"""Batches: numbered, frozen, and renumbered only when the server proves that it forgot."""

import socket

import pytest

from labkit.writer.batch import Outbox
from labkit.writer.options import WriterOptions


def outbox(batches: int) -> Outbox:
    box = Outbox(WriterOptions(ttl=30))
    for i in range(batches):
        box.add([(f"metrics:counter:c{i}", '["counter","new",1]', 2)], {} if i else {"c": {}})
    return box


def test_batches_are_numbered_from_one() -> None:
    """Each knows its series, what is to be done to them, and how many records are in that."""
    first, second = outbox(2)
    assert (first.number, first.keys, first.metadata) == (1, ("metrics:counter:c0",), '{"c":{}}')
    assert (second.number, second.operations, second.records) == (2, '[["counter","new",1]]', (2,))


def test_a_batch_keeps_its_bytes_until_it_is_acknowledged() -> None:
    """What is added later never enters a batch that may already be on its way."""
    box = outbox(1)
    (first,) = box
    box.add([("metrics:counter:late", '["counter","new",1]', 1)], {})
    assert (next(iter(box)), box.records) == (first, 3)
    assert box.acknowledge() == first
    assert [batch.number for batch in box] == [2]


def test_a_server_that_went_back_in_time_gets_a_new_writer() -> None:
    """What waits is numbered from 1 under a new name, and none is lost."""
    box = outbox(3)
    box.acknowledge()
    box.acknowledge()
    (before,) = box
    box.start_over()
    (after,) = box
    assert (after.number, after.keys, after.operations) == (1, before.keys, before.operations)
    assert after.writer == box.writer != before.writer


@pytest.mark.parametrize("host", ["same", "odd\udcff"])
def test_an_id_is_unique_in_any_container(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """Where all hosts and pids are alike, 128 random bits differ; and any name of a host can be sent."""
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    ids = {outbox(0).writer for _ in range(100)}
    assert len(ids) == 100
    assert all(len(writer.encode().rpartition(b"-")[2]) == 32 for writer in ids)
