"""Exposition: one series as anybody may have written it -> its lines on the page, or the reason why it has none.

What labkit writes goes by `rendering`, which is quick. This is for all else, and takes it apart as
`lua/redis-exporter.lua` does for the stock exporter: pattern for pattern, so that both show the same samples and skip
for the same reasons. No text, however hostile, takes more than a few steps per byte: nothing recurses or backtracks.
"""

import re
from itertools import pairwise
from math import isfinite

from labkit.keyspace.numbers import shortest
from labkit.sidecar.rendering import UNCOUNTABLE, Lines, histogram_lines, is_too_long, is_utf8, value_lines

_PARTS = re.compile(rb"([^:]*):(.*)", re.DOTALL)
_SERIES = re.compile(rb"([a-zA-Z_][a-zA-Z0-9_]*)(?::(.+))?", re.DOTALL)
_LABEL = re.compile(rb"([a-zA-Z_][a-zA-Z0-9_]*)=(.+)", re.DOTALL)
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
# What a key cannot hold, in uppercase; encoded in another way, two keys could name one series.
_ENCODED = re.compile(rb"%(2C|25|0[1-9A-F]|1[0-9A-F]|7F)")
_ESCAPES = {b"\\": rb"\\", b'"': rb"\"", b"\n": rb"\n"}
_ESCAPED = re.compile(rb'[\\"\n]')

_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_OPENING, _CLOSING = re.compile(rb"\s*{\s*"), re.compile(rb"}\s*")
_FIELD = re.compile(rb'"([^"]*)"\s*:\s*')
_TEXT = re.compile(rb'[0-9A-Za-z.+-]+|"[^"]*"')
_AFTER = re.compile(rb"\s*([,}])\s*")
_BRACKETS = {b"[": re.compile(rb"[\[\]]"), b"{": re.compile(rb"[{}]")}
_NUMBER = re.compile(rb"[0-9.eE+-]+")
_LIST = re.compile(rb"\[([0-9.,eE+\s-]*)\]")
_TIME = re.compile(rb"\d{1,12}(?:\.\d{1,12})?")

Fields = dict[bytes, bytes]


class _Unfit(Exception):
    """Why a series has no place on the page."""


def judge(key: bytes, json: bytes) -> Lines | str:
    """Return the lines of a series of our prefix, or one of the reasons that `redis-exporter.lua` lists.

    Key and JSON are as long as the script lets them be.
    """
    try:
        kind, name, labels = _parse(key)
        held = _fields(json)
        body, quantiles = _READERS[kind](name, labels, held)
    except _Unfit as unfit:
        return str(unfit)
    created = held.get(b"created", b"")
    # One number that Go's parser does not take would cost the whole page.
    return Lines(body, created if _TIME.fullmatch(created) else b"", quantiles, hash(json))


def _parse(key: bytes) -> tuple[bytes, bytes, bytes]:
    parts = _PARTS.fullmatch(key.partition(b":")[2])
    if parts is None or parts[1] not in _READERS:
        raise _Unfit("kind")
    series = _SERIES.fullmatch(parts[2])
    if series is None:
        raise _Unfit("name")
    return parts[1], series[1], _labels(series[2]) if series[2] else b""


def _labels(encoded: bytes) -> bytes:
    labels, previous = [], b""
    if not is_utf8(encoded):
        raise _Unfit("labels")
    for pair in encoded.split(b","):
        parts = _LABEL.fullmatch(pair)
        if parts is None or _CONTROL.search(pair) or not previous < parts[1] or _is_reserved(parts[1]):
            raise _Unfit("labels")
        labels.append(b'%b="%b"' % (parts[1], _label_value(parts[2])))
        previous = parts[1]
    return b",".join(labels)


def _is_reserved(name: bytes) -> bool:
    return name.startswith(b"__") or name in (b"le", b"quantile")


def _label_value(encoded: bytes) -> bytes:
    if b"%" in _ENCODED.sub(b"", encoded):
        raise _Unfit("labels")
    value = _ENCODED.sub(lambda found: bytes.fromhex(found[1].decode()), encoded)
    return _ESCAPED.sub(lambda found: _ESCAPES[found[0]], value)


def _fields(json: bytes) -> Fields:
    """Return the fields of an object as text: nobody looks into what a series has no use for."""
    json = _ESCAPE.sub(b"..", json)
    held, at = Fields(), _end(_OPENING, json, 0)
    if _CLOSING.fullmatch(json, at):
        return held
    mark = b","
    while mark == b",":
        name = _FIELD.match(json, at)
        stop = _end_of_value(json, name.end()) if name else 0
        after = _AFTER.match(json, stop) if name else None
        if name is None or after is None:
            raise _Unfit("json")
        held[name[1]], at, mark = json[name.end() : stop], after.end(), after[1]
    if at < len(json):
        raise _Unfit("json")
    return held


def _end_of_value(json: bytes, start: int) -> int:
    """Return where a value ends: a word, a text, or what is between brackets, whatever that is."""
    brackets = _BRACKETS.get(json[start : start + 1])
    if brackets is None:
        return _end(_TEXT, json, start)
    depth, opening = 0, json[start]
    for found in brackets.finditer(json, start):
        depth += 1 if found[0][0] == opening else -1
        if depth == 0:
            return found.end()
    raise _Unfit("json")


def _end(pattern: re.Pattern[bytes], json: bytes, start: int) -> int:
    found = pattern.match(json, start)
    if found is None:
        raise _Unfit("json")
    return found.end()


def _number(text: bytes, reason: str) -> float:
    """Return a finite number."""
    try:
        value = float(text)
    except ValueError:
        raise _Unfit(reason) from None
    if not isfinite(value):
        raise _Unfit(reason)
    return value


def _scalar(text: bytes) -> float:
    if not _NUMBER.fullmatch(text):
        raise _Unfit("value")
    return _number(text, "value")


def _numbers(text: bytes, reason: str) -> list[float]:
    inner = _LIST.fullmatch(text)
    if inner is None:
        raise _Unfit(reason)
    return [_number(part, reason) for part in inner[1].split(b",")] if inner[1].strip() else []


def _size(text: bytes) -> int:
    """Return how many numbers a list has at most, before anybody reads them."""
    return text.count(b",") + 1 if re.match(rb"\[\s*[^\s\]]", text) else 0


def _counter(name: bytes, labels: bytes, held: Fields) -> tuple[bytes, bytes]:
    if _scalar(held.get(b"value", b"")) < 0:
        raise _Unfit("value")
    return _gauge(name, labels, held)


def _gauge(name: bytes, labels: bytes, held: Fields) -> tuple[bytes, bytes]:
    value = _scalar(held.get(b"value", b""))
    return value_lines(name, labels, shortest(value).encode()), b""


def _histogram(name: bytes, labels: bytes, held: Fields) -> tuple[bytes, bytes]:
    bounds, counts = held.get(b"bounds", b""), held.get(b"counts", b"")
    buckets = _size(bounds) + 1
    if is_too_long(buckets, name, labels):
        raise _Unfit("length")
    les = _bounds(bounds)
    if _size(counts) != buckets:
        raise _Unfit("counts")
    whole = _counts(counts)
    total = _scalar(held.get(b"sum", b""))
    lines = histogram_lines(name, labels, les, whole, shortest(total).encode())
    if lines is None:
        raise _Unfit("bounds")
    return lines


_READERS = {b"counter": _counter, b"gauge": _gauge, b"histogram": _histogram}


def _bounds(text: bytes) -> bytes:
    """Return bounds as labkit writes them."""
    bounds = _numbers(text, "bounds")
    if any(after <= before for before, after in pairwise(bounds)):
        raise _Unfit("bounds")
    return ",".join(map(shortest, bounds)).encode()


def _counts(text: bytes) -> list[int]:
    counts = _numbers(text, "counts")
    whole = [int(count) for count in counts]
    if whole != counts or min(whole) < 0 or sum(whole) >= UNCOUNTABLE:
        raise _Unfit("counts")
    return whole
