"""How long to wait before trying again: a pure decision, separate from the loop that acts on it."""

CEILING = 30.0


def next_backoff(failures: int, first: float, spread: float) -> float:
    """Return the wait in seconds after `failures` (1, 2, …) in a row: doubling from `first` up to `CEILING`.

    `spread`, drawn from [0, 1), takes off up to half of it, so that many writers do not all return at once.

    >>> [next_backoff(n, first=0.5, spread=0.0) for n in (1, 2, 3, 10)]
    [0.5, 1.0, 2.0, 30.0]
    """
    wait = min(CEILING, first * 2.0 ** min(failures - 1, 16))
    return wait * (1 - spread / 2)
