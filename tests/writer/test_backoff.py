"""How long a writer waits: bounds that hold for every number of failures."""

import pytest

from labkit.writer.backoff import CEILING, next_backoff, next_return


@pytest.mark.parametrize("failures", [1, 2, 5, 100, 10_000])
def test_waits_grow_up_to_a_ceiling_and_spread(failures: int) -> None:
    """The wait doubles, never exceeds the ceiling, and jitter takes off at most half."""
    longest = next_backoff(failures, first=0.5, spread=0.0)
    assert 0.5 <= longest <= CEILING
    assert longest / 2 <= next_backoff(failures, first=0.5, spread=0.999) < longest


@pytest.mark.parametrize("returns", [1, 2, 5, 100, 10_000])
def test_returns_are_spread_over_all_of_the_wait(returns: int) -> None:
    """From at once to the longest wait, which doubles up to the ceiling."""
    longest = next_return(returns, first=1.0, spread=0.0)
    assert longest == min(CEILING, 2.0 ** min(returns - 1, 10))
    assert next_return(returns, first=1.0, spread=0.999) == pytest.approx(longest / 1000)
