"""Exposition: families of samples -> an OpenMetrics 1.0 page, where their names and values allow one.

The samples are those of the text format, so that a series keeps its name and labels whichever format is asked for
(also its `le="10"`, for which OpenMetrics would rather see 10.0). What it adds: when each series began, `_created`.
"""

from collections.abc import Iterator, Sequence

from labkit.exposition import Family
from labkit.rendering import QUANTILES, Lines

_SUFFIXES = {"counter": ("", "_total", "_created"), "histogram": ("", "_bucket", "_sum", "_count", "_created")}


def openmetrics(families: Sequence[Family]) -> bytes | None:
    """Return the families as OpenMetrics, without the end mark; None if they cannot be.

    They can unless a counter's name does not end in `_total`, two families need one name, or a histogram has a
    negative bound or sum, which its format knows no way to say.
    """
    if any(family.kind == "counter" and not family.name.endswith("_total") for family in families):
        return None
    names = [name for family in families for name in _names(family)]
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
    """Yield the family in pieces; an empty piece is a series that cannot be said."""
    # One step for the interpreter: other threads may add series meanwhile.
    series = list(family.lines.values())
    base = _base(family).encode()
    yield _head(base, family.kind, family.help)
    if family.kind == "gauge":
        yield from (lines.body for lines in series)
        return
    length = len(family.name) + (len("_count") if family.kind == "histogram" else 0)
    yield from (_with_created(lines, base, length) for lines in series)
    for i, quantile in enumerate(QUANTILES if family.kind == "histogram" else ()):
        help_text = f"{quantile[1:]}th percentile since the series began: {family.help}" if family.help else ""
        yield _head(b"%b_%b" % (base, quantile.encode()), "gauge", help_text)
        yield from (lines.quantiles[i] for lines in series)


def _with_created(lines: Lines, base: bytes, length: int) -> bytes:
    """Return the series and when it began; `length` is that of the last line's name, after which come the labels."""
    if b'le="-' in lines.body or b" -" in _values(lines.body):
        return b""
    if not lines.created:
        return lines.body
    start = lines.body.rfind(b"\n", 0, -1) + 1 + length
    labels = lines.body[start : lines.body.rindex(b" ")]
    return b"%b%b_created%b %b\n" % (lines.body, base, labels, lines.created)


def _values(body: bytes) -> bytes:
    """Return the values of the last two lines: those of a histogram that may be negative, or a counter's."""
    return b"".join(b" " + line.rpartition(b" ")[2] for line in body[:-1].rsplit(b"\n", 2)[-2:])


def _head(name: bytes, kind: str, text: str) -> bytes:
    help_line = b"# HELP %b %b\n" % (name, _escape(text).encode()) if text else b""
    return b"%b# TYPE %b %b\n" % (help_line, name, kind.encode())


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
