"""How long to wait before trying again: pure decisions, separate from the loop that acts on them."""

CEILING = 30.0


def next_backoff(failures: int, first: float, spread: float, ceiling: float = CEILING) -> float:
    """Return the wait in seconds after `failures` (1, 2, …) in a row: doubling from `first` up to `ceiling`.

    `spread`, drawn from [0, 1), takes off up to half of it, so that many writers do not all return at once.

    >>> [next_backoff(n, first=0.5, spread=0.0) for n in (1, 2, 3, 10)]
    [0.5, 1.0, 2.0, 30.0]
    """
    return _doubled(failures, first, ceiling) * (1 - spread / 2)


def next_return(returns: int, first: float, spread: float) -> float:
    """Return the wait in seconds once an absent server has answered, for the 1st, 2nd, … time since the last success.

    All writers hear that answer at the same moment, so `spread` takes off all of the wait or nothing. It doubles from
    `first` up to `CEILING`: a server that answers questions, but not batches, is not asked more and more of.

    >>> [next_return(n, first=1.0, spread=0.5) for n in (1, 2, 3, 10)]
    [0.5, 1.0, 2.0, 15.0]
    """
    return _doubled(returns, first, CEILING) * (1 - spread)


def _doubled(times: int, first: float, ceiling: float) -> float:
    return float(min(ceiling, first * 2.0 ** min(times - 1, 16)))
