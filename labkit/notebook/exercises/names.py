"""Names for metrics that nobody has used yet, so that what was tried before disturbs nothing."""

from itertools import chain, count

from redis import Redis

# What was handed out in this process; a metric may be declared long before Redis hears of it.
_given: set[str] = set()


def fresh(server: Redis, name: str) -> str:
    """Return `name`, or `name_2` and so on: the first one that is neither in Redis nor was returned before."""
    candidates = chain([name], (f"{name}_{number}" for number in count(2)))
    free = next(candidate for candidate in candidates if not _is_used(server, candidate))
    _given.add(free)
    return free


def _is_used(server: Redis, name: str) -> bool:
    if name in _given or server.hexists("metrics.meta", name):
        return True
    kinds = ("counter", "gauge", "histogram")
    return bool(server.exists(*(f"metrics:{kind}:{name}" for kind in kinds)))
