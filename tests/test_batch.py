"""Batches: numbered, frozen, and renumbered only when the server proves that it forgot."""

import pytest

from labkit.backoff import CEILING, next_backoff
from labkit.batch import SERIES_PER_BATCH, Outbox


def outbox(series: int) -> Outbox:
    box = Outbox(ttl=30)
    box.add([(f"metrics:counter:c{i}", "counter 1") for i in range(series)], {"c": {}})
    return box


def test_batches_are_numbered_from_one_and_bounded() -> None:
    """More series than fit into one batch make several, in order; metadata travels once."""
    batches = outbox(SERIES_PER_BATCH + 1).oldest(10)
    assert [(b.number, len(b.keys), b.metadata) for b in batches] == [
        (1, SERIES_PER_BATCH, '{"c":{}}'),
        (2, 1, "{}"),
    ]


def test_a_batch_keeps_its_bytes_until_it_is_acknowledged() -> None:
    """What is added later never enters a batch that may already be on its way."""
    box = outbox(1)
    (first,) = box.oldest(1)
    box.add([("metrics:counter:late", "counter 1")], {})
    assert box.oldest(1) == [first]
    assert box.acknowledge() == first
    assert [batch.number for batch in box.oldest(5)] == [2]


def test_a_server_that_went_back_in_time_gets_a_new_writer() -> None:
    """What waits is numbered from 1 under a new name, and what the server forgot is counted."""
    box = outbox(3 * SERIES_PER_BATCH)
    box.acknowledge()
    box.acknowledge()
    before = box.oldest(1)[0]
    assert box.start_over(fence=0) == 2
    after = box.oldest(1)[0]
    assert (after.number, after.keys, after.operations) == (1, before.keys, before.operations)
    assert after.writer == box.writer != before.writer


@pytest.mark.parametrize("failures", [1, 2, 5, 100, 10_000])
def test_waits_grow_up_to_a_ceiling_and_spread(failures: int) -> None:
    """The wait doubles, never exceeds the ceiling, and jitter takes off at most half."""
    longest = next_backoff(failures, first=0.5, spread=0.0)
    assert 0.5 <= longest <= CEILING
    assert longest / 2 <= next_backoff(failures, first=0.5, spread=0.999) < longest
