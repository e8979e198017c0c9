"""The ledger counts exactly."""

from concurrent.futures import ThreadPoolExecutor

from labkit.store.ledger import Ledger, RequestCount
from labkit.store.shop import Counts


def test_an_empty_ledger_has_all_events() -> None:
    """What never happened is there, as 0; endpoints appear with their first request."""
    assert Ledger().events() == {"joined": 0, "looked_around": 0, "served": 0, "left": 0}
    assert Ledger().requests() == []


def test_threads_lose_no_count() -> None:
    """Every event and request of every thread is counted, and lines are sorted by endpoint and method."""
    ledger = Ledger()

    def count(number: int) -> None:
        ledger.happened("served", Counts())
        ledger.answered("/b", "GET", number % 4 == 0)
        ledger.answered("/a", "POST", False)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(count, range(2000)))
    assert ledger.events()["served"] == 2000
    assert ledger.requests() == [RequestCount("/a", "POST", 2000, 0), RequestCount("/b", "GET", 2000, 500)]
