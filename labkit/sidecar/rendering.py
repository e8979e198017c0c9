"""Exposition: the JSON of one series -> its lines on the page, for what labkit itself wrote.

Everything else, and whatever looks the least bit strange, is for `judging`: `render` returns None.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from math import isfinite, isnan, nan

from labkit.keyspace.numbers import le, shortest

QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
# From here on, a double cannot count.
UNCOUNTABLE = 2**53
# Of one histogram, as in the script: what one series may cost, and how far it may swell on the page.
_MOST_BUCKETS, _LONGEST_TEXT = 1000, 256 * 1024

_NUMBER = rb"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]\d+)?"
# The part of the number before it that a double cannot hold: nothing that a page could show.
_CARRY = rb'(?:,"carry":' + _NUMBER + rb")?"
# As many digits as Go's parser takes: one number that it does not would cost the whole page.
_TIMES = rb',"created":(\d{1,12}(?:\.\d{1,12})?),"updated":\d+(?:\.\d+)?}'
# What gauges have that several processes share.
_COMBINED = rb'(?:,"combine":"[a-z]+","writers":\d+,"lease":' + _NUMBER + rb")?"
_VALUE = re.compile(rb'{"value":(' + _NUMBER + rb")" + _CARRY + _COMBINED + _TIMES)
_HISTOGRAM = re.compile(
    rb'{"bounds":\[([\d.,e+-]*)\],"counts":\[(\d{1,15}(?:,\d{1,15})*)\],"sum":('
    + _NUMBER
    + rb")"
    + _CARRY
    + rb',"count":\d+'
    + _TIMES
)
_KEY = re.compile(rb"[^:]*:(counter|gauge|histogram):([a-zA-Z_][a-zA-Z0-9_]*)(?::(.+))?")
_NAME = re.compile(rb"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
# Text that stands for itself in a key and on the page, if it is UTF-8.
_PLAIN = re.compile(rb"[ !#$&-\[\]-~\x80-\xff]+")


@dataclass(frozen=True, slots=True)
class Lines:
    """What one series has on the page; `created` in seconds, as text.

    `quantiles` are the three lines of a histogram, in one piece: with a hundred thousand series, small things add up.
    `digest` identifies the JSON that they were made from; None if it was not seen here.
    """

    body: bytes
    created: bytes
    quantiles: bytes = b""
    digest: int | None = field(default=None, compare=False)

    def quantile(self, i: int) -> bytes:
        """Return the line of the quantile at this place in `QUANTILES`."""
        return self.quantiles.split(b"\n", i + 1)[i] + b"\n"


@dataclass(frozen=True)
class _Shape:
    """Everything that histograms of one name and bounds share; NUL stands where the labels go."""

    bounds: tuple[float, ...]
    body: bytes
    quantiles: bytes


def render(key: bytes, json: bytes) -> Lines | None:
    """Return the lines of a series that is exactly as labkit writes it; None for any other."""
    parts = _KEY.fullmatch(key)
    if parts is None:
        return None
    kind, name, encoded = parts.groups()
    labels = _labels(encoded) if encoded else b""
    if labels is None:
        return None
    return _RENDERERS[kind](name, labels, json)


def _counter(name: bytes, labels: bytes, json: bytes) -> Lines | None:
    return None if json.startswith(b'{"value":-') else _gauge(name, labels, json)


def _gauge(name: bytes, labels: bytes, json: bytes) -> Lines | None:
    parts = _VALUE.fullmatch(json)
    if parts is None or not isfinite(float(parts[1])):
        return None
    return Lines(value_lines(name, labels, parts[1]), parts[2], b"", hash(json))


def value_lines(name: bytes, labels: bytes, value: bytes) -> bytes:
    """Return the line of a counter or a gauge."""
    return b"%b{%b} %b\n" % (name, labels, value) if labels else b"%b %b\n" % (name, value)


def _histogram(name: bytes, labels: bytes, json: bytes) -> Lines | None:
    parts = _HISTOGRAM.fullmatch(json)
    if parts is None or not isfinite(float(parts[3])):
        return None
    bounds, texts, total, created = parts.groups()
    counts = [int(text) for text in texts.split(b",")]
    if is_too_long(len(counts), name, labels) or sum(counts) >= UNCOUNTABLE:
        return None
    lines = histogram_lines(name, labels, bounds, counts, total)
    return Lines(lines[0], created, lines[1], hash(json)) if lines else None


_RENDERERS = {b"counter": _counter, b"gauge": _gauge, b"histogram": _histogram}


def is_too_long(buckets: int, name: bytes, labels: bytes) -> bool:
    """Whether a histogram is more than one page should have to carry."""
    return buckets > _MOST_BUCKETS or buckets * (len(name) + len(labels)) > _LONGEST_TEXT


def histogram_lines(
    name: bytes, labels: bytes, bounds: bytes, counts: list[int], total: bytes
) -> tuple[bytes, bytes] | None:
    """Return the lines of buckets, sum and count, and those of the quantiles; None if the two do not fit."""
    shape = _shape(name, bounds, bool(labels))
    if shape is None or len(counts) != len(shape.bounds) + 1:
        return None
    cumulative = list(accumulate(counts))
    body = shape.body % (*cumulative, total, cumulative[-1])
    values = [_text(quantile(q, shape.bounds, counts, cumulative)) for q in QUANTILES.values()]
    quantiles = shape.quantiles % tuple(values)
    return body.replace(b"\0", labels), quantiles.replace(b"\0", labels)


def quantile(q: float, bounds: tuple[float, ...], counts: list[int], cumulative: list[int]) -> float:
    """Return what PromQL's `histogram_quantile` says for these buckets: `counts` one by one, and `cumulative`."""
    if not bounds or not cumulative[-1]:
        return nan
    rank = q * cumulative[-1]
    for i, bound in enumerate(bounds):
        if cumulative[i] >= rank:
            if i == 0 and bound <= 0:
                return bound
            start, below = (bounds[i - 1], cumulative[i - 1]) if i else (0.0, 0)
            return start + (bound - start) * ((rank - below) / counts[i])
    return bounds[-1]


def _text(value: float) -> bytes:
    return b"NaN" if isnan(value) else shortest(value).encode()


def _labels(encoded: bytes) -> bytes | None:
    """Return `endpoint=/a,method=GET` as `endpoint="/a",method="GET"`."""
    pairs = [pair.partition(b"=") for pair in encoded.split(b",")]
    if not _sound(tuple([name for name, _, _ in pairs])):
        return None
    if not all(_PLAIN.fullmatch(value) for _, _, value in pairs) or not is_utf8(encoded):
        return None
    return b",".join([b'%b="%b"' % (name, value) for name, _, value in pairs])


def is_utf8(text: bytes) -> bool:
    """Whether a text can be on the page at all."""
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


@lru_cache(maxsize=1024)
def _sound(names: tuple[bytes, ...]) -> bool:
    """Whether these label names are in order, each once, and none is reserved by Prometheus."""
    return (
        all(_NAME.fullmatch(name) for name in names)
        and list(names) == sorted(set(names))
        and not {b"le", b"quantile"} & set(names)
    )


@lru_cache(maxsize=1024)
def _shape(name: bytes, bounds: bytes, labelled: bool) -> _Shape | None:
    texts = bounds.split(b",") if bounds else []
    if not all(re.fullmatch(_NUMBER, text) for text in texts):
        return None
    values = tuple(float(text) for text in texts)
    if not all(isfinite(value) for value in values) or list(values) != sorted(set(values)):
        return None
    before, tail = (b"\0,", b"{\0}") if labelled else (b"", b"")
    limits = [le(value).encode() for value in values] + [b"+Inf"]
    buckets = [b'%b_bucket{%ble="%b"} %%d\n' % (name, before, limit) for limit in limits]
    sums = b"%b_sum%b %%b\n%b_count%b %%d\n" % (name, tail, name, tail)
    quantiles = [b"%b_%b%b %%b\n" % (name, q.encode(), tail) for q in QUANTILES]
    return _Shape(values, b"".join(buckets) + sums, b"".join(quantiles))
