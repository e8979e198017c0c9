"""Exposition: families of samples -> an OpenMetrics 1.0 page, where their names and values allow one.

The samples are those of the text format, so that a series keeps its name and labels whichever format is asked for.
What it adds: when each series began, `_created`.
"""

from collections.abc import Iterable, Iterator, Sequence

from labkit.sidecar.exposition import Family, help_of
from labkit.sidecar.rendering import QUANTILES

_MINUS = ord("-")
_SUFFIXES = {"counter": ("", "_total", "_created"), "histogram": ("", "_bucket", "_sum", "_count", "_created")}


def openmetrics(families: Sequence[Family], reserved: Iterable[str] = ()) -> bytes | None:
    """Return the families as OpenMetrics, without the end marker; None if that is impossible.

    It is if a counter's name does not end in `_total`, a family needs a name that another has or that is `reserved`
    for something else on the page, or a histogram has a negative bound or sum: OpenMetrics cannot express these.
    """
    if any(family.kind == "counter" and not family.name.endswith("_total") for family in families):
        return None
    names = [*reserved, *(name for family in families for name in _names(family))]
    if len(names) != len(set(names)):
        return None
    chunks = [chunk for family in families for chunk in _chunks(family)]
    return None if b"" in chunks else b"".join(chunks)


def _names(family: Family) -> Iterator[str]:
    for suffix in _SUFFIXES.get(family.kind, ("",)):
        yield _base(family) + suffix
    if family.kind == "histogram":
        yield from (f"{family.name}_{quantile}" for quantile in QUANTILES)


def _base(family: Family) -> str:
    return family.name.removesuffix("_total") if family.kind == "counter" else family.name


def _chunks(family: Family) -> Iterator[bytes]:
    """Yield the family in pieces; an empty piece is a series that cannot be expressed."""
    # Atomic in the interpreter: other threads may add series meanwhile.
    series = list(family.lines.values())
    base = _base(family).encode()
    yield _head(base, family.kind, family.help)
    if family.kind == "gauge":
        yield from (lines.body for lines in series)
        return
    prefix, length = base + b"_created", len(family.name) + len("_count" if family.kind == "histogram" else "")
    for lines in series:
        yield b"" if _has_negative(lines.body) else lines.body
        if lines.created:
            yield prefix + _labels(lines.body, length) + b" " + lines.created + b"\n"
    for i, quantile in enumerate(QUANTILES if family.kind == "histogram" else ()):
        yield _head(b"%b_%b" % (base, quantile.encode()), "gauge", help_of(quantile, family.help))
        yield from (lines.quantile(i) for lines in series)


def _labels(body: bytes, length: int) -> bytes:
    """Return the labels as they are on the last line, after a name of this length."""
    return body[body.rfind(b"\n", 0, -1) + 1 + length : body.rindex(b" ")]


def _has_negative(body: bytes) -> bool:
    """Whether a counter, or the first bound or the sum of a histogram, is below 0."""
    last_line = body.rfind(b"\n", 0, -1) + 1
    values = body[body.rindex(b" ") + 1], body[body.rfind(b" ", 0, last_line) + 1]
    # The bound is the last label of the first line; others may have a name that ends alike.
    return _MINUS in values or body.partition(b"\n")[0].rpartition(b'le="')[2].startswith(b"-")


def _head(name: bytes, kind: str, text: str) -> bytes:
    help_line = b"# HELP %b %b\n" % (name, _escape(text).encode()) if text else b""
    return b"%b# TYPE %b %b\n" % (help_line, name, kind.encode())


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
