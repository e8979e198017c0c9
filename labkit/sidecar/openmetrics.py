"""Exposition: families of samples -> an OpenMetrics 1.0 page, where their names and values allow one.

The samples are those of the text format, so that a series keeps its name and labels whichever format is asked for.
What it adds: when each series began, `_created`.
"""

from collections.abc import Iterable, Iterator, Sequence

from labkit.sidecar.exposition import ESCAPES, Family, head, quantiles
from labkit.sidecar.rendering import Lines

_MINUS = ord("-")
_ESCAPES = ESCAPES | str.maketrans({'"': r"\""})


def openmetrics(families: Sequence[Family], reserved: Iterable[str] = ()) -> bytes | None:
    """Return the families as OpenMetrics, without the end marker; None if that is impossible.

    It is if a counter's name does not end in `_total`, a family needs a name that another has or that is `reserved`
    for something else on the page, or a histogram has a negative bound or sum: OpenMetrics cannot express these.
    """
    names = [*reserved, *(name for family in families for name in _names(family))]
    # Each in one step of the interpreter: other threads may add series meanwhile.
    series = [(family, list(family.lines.values())) for family in families]
    if len(names) != len(set(names)) or not all(_can_express(*one) for one in series):
        return None
    return b"".join([chunk for one in series for chunk in _chunks(*one)])


def _names(family: Family) -> set[str]:
    base = _base(family)
    return {base, *family.names, *([f"{base}_created"] if family.shape.cumulative else ())}


def _base(family: Family) -> str:
    return family.name.removesuffix(family.shape.suffix)


def _can_express(family: Family, series: list[Lines]) -> bool:
    if not family.shape.cumulative:
        return True
    return family.name.endswith(family.shape.suffix) and not any(_has_negative(lines.body) for lines in series)


def _chunks(family: Family, series: list[Lines]) -> Iterator[bytes]:
    base = _base(family)
    yield head(base, family.kind, family.help, _ESCAPES)
    prefix, length = f"{base}_created".encode(), len(family.name + family.shape.samples[-1])
    for lines in series:
        yield lines.body
        if family.shape.cumulative and lines.created:
            yield prefix + _labels(lines.body, length) + b" " + lines.created + b"\n"
    yield from quantiles(family, series, _ESCAPES)


def _labels(body: bytes, length: int) -> bytes:
    """Return the labels as they are on the last line, after a name of this length."""
    return body[body.rfind(b"\n", 0, -1) + 1 + length : body.rindex(b" ")]


def _has_negative(body: bytes) -> bool:
    """Whether a counter, or the first bound or the sum of a histogram, is below 0."""
    last_line = body.rfind(b"\n", 0, -1) + 1
    values = body[body.rindex(b" ") + 1], body[body.rfind(b" ", 0, last_line) + 1]
    # The bound is the last label of the first line; others may have a name that ends alike.
    return _MINUS in values or body.partition(b"\n")[0].rpartition(b'le="')[2].startswith(b"-")
