"""Batch: whether anybody may still record to a writer whose service object is gone.

A metric can outlive the service that declared it, and the writer itself refers to all its metrics. So references are
counted as the garbage collector does it: if there are more than those from within the writer, somebody else has one.
"""

import gc
import sys
from collections import Counter, deque
from types import BuiltinMethodType, MethodType

from labkit.writer.instrument import Instrument

_CONTAINERS = (dict, list, tuple, set, frozenset, deque, MethodType, BuiltinMethodType)
# What `sys.getrefcount` sees besides: the table of parts, and the item that `map` passes on.
_OURS = 2


def is_held(root: object) -> bool:
    """Return whether anything but `root`, and what it consists of, refers to one of its metrics.

    In doubt, the answer is yes: where objects have no reference counts, and when another thread is in a metric.
    """
    parts, inside = _walk(root)
    metrics = [part for part in parts.values() if isinstance(part, Instrument)]
    counts = list(map(sys.getrefcount, metrics))
    return any(count > inside[id(metric)] + _OURS + 1 for metric, count in zip(metrics, counts, strict=True))


def _walk(root: object) -> tuple[dict[int, object], Counter[int]]:
    """Return the parts of `root` by identity, and how often one of them refers to each."""
    parts, inside, ahead = {id(root): root}, Counter[int](), [root]
    while ahead:
        for part in gc.get_referents(ahead.pop()):
            inside[id(part)] += 1
            if id(part) not in parts and _is_ours(part):
                parts[id(part)] = part
                ahead.append(part)
    return parts, inside


def _is_ours(part: object) -> bool:
    return type(part) in _CONTAINERS or type(part).__module__.startswith("labkit.writer.")
