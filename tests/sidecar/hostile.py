"""Keys and values that try hard: to hold Redis, to break a parser, or to be read in two ways."""

import json
from dataclasses import dataclass

COUNTER, GAUGE, HISTOGRAM = b"metrics:counter:x", b"metrics:gauge:x", b"metrics:histogram:x"
TIMES = b',"created":1.5,"updated":2.5}'
ONE = b'{"value":1' + TIMES
# As much as the script looks at: of JSON, and of a key.
MUCH, LONG = 32 * 1024 - 100, 8 * 1024 - 100

Case = tuple[bytes, bytes]


def histogram(bounds: bytes, counts: bytes, total: bytes = b"1") -> bytes:
    return b'{"bounds":[%b],"counts":[%b],"sum":%b,"count":1%b' % (bounds, counts, total, TIMES)


def _counting(n: int) -> bytes:
    return b",".join(b"%d" % i for i in range(n))


def _labels(text: bytes) -> bytes:
    """The key of a series whose label has this text as often as it fits."""
    return COUNTER + b":a=" + text * (LONG // len(text))


# Each would take a pattern that goes back, a parser that goes down, or a table that grows, for a long time.
LARGE: dict[str, Case] = {
    "a number that never ends": (COUNTER, b'{"value":' + b"1" * MUCH),
    "a number that ends late": (COUNTER, b'{"value":' + b"1" * MUCH + b"}"),
    "a time that never ends": (COUNTER, b'{"value":1,"created":' + b"1" * MUCH + b" }"),
    "points": (COUNTER, b'{"value":' + b"1." * (MUCH // 2) + TIMES),
    "exponents": (COUNTER, b'{"value":' + b"1e" * (MUCH // 2) + b"}"),
    "carries": (COUNTER, b'{"value":1' + b',"carry":1' * (MUCH // 10) + b"x"),
    "times": (COUNTER, b'{"value":1' + b',"created":1' * (MUCH // 12) + b"x"),
    "spaces": (COUNTER, b'{"value":1' + b" " * MUCH + b"x"),
    "brackets": (COUNTER, b"[" * MUCH),
    "nested": (COUNTER, b'{"value":1,"x":' + b"[" * (MUCH // 2) + b"]" * (MUCH // 2) + b"}"),
    "nested, never closed": (COUNTER, b'{"value":1,"x":' + b'{"x":' * (MUCH // 5)),
    "fields": (COUNTER, b"{" + b'"a":1,' * (MUCH // 6) + b'"value":1}'),
    "many fields": (COUNTER, b"{" + b",".join(b'"%x":1' % i for i in range(MUCH // 9)) + b',"value":1}'),
    "backslashes": (COUNTER, b'{"value":1,"x":"' + b"\\\\" * (MUCH // 2 - 10) + b'"}'),
    "quotes": (COUNTER, b'{"value":1,"x":' + b'"' * MUCH),
    "many bounds": (HISTOGRAM, histogram(_counting(999), _counting(1000))),
    "too many bounds": (HISTOGRAM, histogram(_counting(1000), _counting(1001))),
    "far too many bounds": (HISTOGRAM, histogram(_counting(6000), b"1")),
    "too many counts": (HISTOGRAM, histogram(b"1", b"0," * (MUCH // 2) + b"0")),
    "nothing but commas": (HISTOGRAM, histogram(b"1", b"," * MUCH)),
    "text by labels": (HISTOGRAM + b":a=" + b"y" * 250, histogram(_counting(999), _counting(1000))),
    "too much text": (HISTOGRAM + b":a=" + b"y" * 300, histogram(_counting(999), _counting(1000))),
    "labels of quotes": (_labels(b'"'), ONE),
    "labels of backslashes": (_labels(b"\\"), ONE),
    "labels of two bytes": (_labels("é".encode()), ONE),
    "labels of three": (_labels("日".encode()), ONE),
    "labels of four": (_labels("🦊".encode()), ONE),
    "labels of all": (_labels('é日🦊"a'.encode()), ONE),
    "no UTF-8": (_labels(b"\xc3"), ONE),
    "nearly UTF-8": (_labels("é".encode()) + b"\xed\xa0\x80", ONE),
    "encoded": (_labels(b"%2C%0A"), ONE),
    "encoded in vain": (_labels(b"%41"), ONE),
    "percent": (_labels(b"%"), ONE),
    "commas": (COUNTER + b":" + b"," * LONG, ONE),
    "equals": (COUNTER + b":" + b"=" * LONG, ONE),
    "many labels": (COUNTER + b":" + b",".join(b"l%04d=1" % i for i in range(LONG // 8)), ONE),
    "names that agree": (COUNTER + b":" + b"a" * (LONG // 2) + b"=1," + b"a" * (LONG // 2 - 9) + b"b=1", ONE),
    "a long name": (COUNTER + b"x" * LONG, ONE),
    "colons": (b"metrics:" + b":" * LONG, ONE),
    "a key too long": (COUNTER + b"x" * 8192, ONE),
}


NUMBERS = [
    *(b"1e400", b"-1e400", b"1e-400", b"NaN", b"nan", b"inf", b"Infinity", b"-Infinity", b"0x10", b"+1", b"-0", b"-1"),
    *(b"01", b"1.", b".5", b"-.5e1", b"1e", b"e1", b"--1", b"1 2", b"1_0", b"", b" 7 ", b"null", b"true", b"{}"),
    *(b"1" * 5000, b'"3"', b"[3]", b"1e5", b"1E5", b"9007199254740993", b"1e22", b"5e-324", b"0.1", b"\xff", b"1\0"),
]  # fmt: skip
KEYS = [
    *(b"", b":", b"counter", b"counter:", b"counter:1x", b"counter::x", b"counter:x\n", b"summary:x", b"gauge:x y"),
    *(b"counter:x:" + labels for labels in (
        b"", b"a", b"a=", b"a=1,", b",a=1", b"b=1,a=1", b"a=1,a=1", b"aa=1,b=2", b"a=1,aa=2", b"B=1,a=2", b"a\n=1",
        b"le=1", b"quantile=1", b"__a=1", b"_a=1", b"a=b=c", b"a=\n", b"a=\r", b"a=\0", b"a=\x7f", b"a=%0D", b"a=%00",
        b"a=%7F", b"a=%2c", b"a=%2%2C5", b"a=%%2C", b"a=100%25 %2C", b"a=\xc3\xa9", b"a=\xc3", b"a=\xc3\xc3\xa9\xa9",
        b"a=\xe0\x80\x80", b"a=\xed\xa0\x80", b"a=\xf4\x90\x80\x80", b"a=\xf4\x8f\xbf\xbf",
    )),
]  # fmt: skip

SMALL: dict[str, Case] = {
    **{f"counter {text[:9]!r}": (COUNTER, b'{"value":%b%b' % (text, TIMES)) for text in NUMBERS},
    **{f"gauge {text[:9]!r}": (GAUGE, b'{"value": %b }' % text) for text in NUMBERS},
    **{f"bound {text[:9]!r}": (HISTOGRAM, histogram(text, b"1,1")) for text in NUMBERS},
    **{f"count {text[:9]!r}": (HISTOGRAM, histogram(b"1", b"1,%b" % text)) for text in NUMBERS},
    **{f"sum {text[:9]!r}": (HISTOGRAM, histogram(b"1", b"1,1", text)) for text in NUMBERS},
    "two values": (GAUGE, b'{"value":1,"value":2}'),
    "another order": (GAUGE, b'{ "updated" : 1 ,\n"value"\t: 2 }\r\n'),
    "something behind": (GAUGE, b'{"value":1} x'),
    "NUL behind": (GAUGE, b'{"value":1}\0'),
    "a comma too many": (GAUGE, b'{"value":1,}'),
    "no comma": (GAUGE, b'{"value":1 "x":2}'),
    "no object": (GAUGE, b"[1]"),
    "an empty object": (GAUGE, b"{ }"),
    "UTF-16": (GAUGE, '{"value":1}'.encode("utf-16")),
    "a byte order mark": (GAUGE, b'\xef\xbb\xbf{"value":1}'),
    "an escaped name": (GAUGE, rb'{"valu\u0065":1}'),
    "an escaped quote": (GAUGE, rb'{"x":"a\"b","value":2}'),
    "half a pair": (GAUGE, rb'{"x":"\ud800","value":2}'),
    "brackets in a text": (GAUGE, b'{"x":{"y":"}"},"value":2}'),
    "brackets that cross": (GAUGE, b'{"x":[{]},"value":2}'),
    "shared, as it is now": (GAUGE, b'{"value":3,"carry":1e-17,"combine":"sum","writers":2,"lease":60' + TIMES),
    "shared, as it was": (GAUGE, b'{"value":3,"shared":"sum","writers":{"w:1":[1,2],"w:2":[2,3]}' + TIMES),
    "counts that do not add up": (HISTOGRAM, histogram(b"1", b"9007199254740991,1")),
    "counts that just do": (HISTOGRAM, histogram(b"1", b"9007199254740990,1")),
    "an empty histogram": (HISTOGRAM, histogram(b"", b"3")),
    "spaces in lists": (HISTOGRAM, histogram(b" 1 , 2 ", b"1, 1 ,1")),
    "holes in lists": (HISTOGRAM, histogram(b"1,,2", b"1,1,1,1")),
    "bounds that meet": (HISTOGRAM, histogram(b"-0,0", b"1,1,1")),
    "bounds that differ in text": (HISTOGRAM, histogram(b"1.0,1e0", b"1,1,1")),
    "bounds far apart": (HISTOGRAM, histogram(b"-1e308,1e308", b"0,1,1")),
    "no counts": (HISTOGRAM, json.dumps({"bounds": [], "counts": [], "sum": 0}).encode()),
    "no fields": (HISTOGRAM, b"{}"),
    **{f"key {key!r}": (b"metrics:" + key, ONE) for key in KEYS},
}


@dataclass(frozen=True)
class Bad:
    """A key and a value that cannot be shown, and why."""

    key: bytes
    value: bytes
    reason: str


def _series(**changes: object) -> bytes:
    return json.dumps({"bounds": [1, 2], "counts": [1, 2, 3], "sum": 4, "count": 6} | changes).encode()


BAD = {
    "truncated": Bad(b"metrics:counter:x", b'{"value":3', "json"),
    "nested": Bad(b"metrics:counter:x", b"[" * 2000, "json"),
    "a bare number": Bad(b"metrics:counter:x", b"3", "json"),
    "empty": Bad(b"metrics:counter:x", b"", "json"),
    "NaN": Bad(b"metrics:gauge:x", b'{"value":NaN}', "value"),
    "infinite": Bad(b"metrics:gauge:x", b'{"value":1e400}', "value"),
    "text": Bad(b"metrics:gauge:x", b'{"value":"3"}', "value"),
    "negative counter": Bad(b"metrics:counter:x", b'{"value":-1}', "value"),
    "bounds unsorted": Bad(b"metrics:histogram:x", _series(bounds=[2, 1]), "bounds"),
    "bounds twice": Bad(b"metrics:histogram:x", _series(bounds=[1, 1]), "bounds"),
    "no bounds": Bad(b"metrics:histogram:x", b"{}", "bounds"),
    "bounds false": Bad(b"metrics:histogram:x", _series(bounds=False), "bounds"),
    "bounds null": Bad(b"metrics:histogram:x", _series(bounds=None), "bounds"),
    "a hole in the bounds": Bad(
        b"metrics:histogram:x",
        b'{"bounds":[1,2,e,4],"counts":[1,1,1,1,1],"sum":1,"count":5,"created":1,"updated":1}',
        "bounds",
    ),
    "null among the bounds": Bad(b"metrics:histogram:x", _series(bounds=[1, None]), "bounds"),
    "an endless bound": Bad(b"metrics:histogram:x", b'{"bounds":[1,1e400],"counts":[1,2,3],"sum":4}', "bounds"),
    "no counts": Bad(b"metrics:histogram:x", b'{"bounds":[1,2],"sum":4}', "counts"),
    "counts beyond all": Bad(b"metrics:histogram:x", _series(counts=[1e308, 1e308, 1]), "counts"),
    "bounds no list": Bad(b"metrics:histogram:x", _series(bounds=7), "bounds"),
    "counts of another length": Bad(b"metrics:histogram:x", _series(counts=[1, 2]), "counts"),
    "negative counts": Bad(b"metrics:histogram:x", _series(counts=[1, -2, 3]), "counts"),
    "half counts": Bad(b"metrics:histogram:x", _series(counts=[1, 0.5, 3]), "counts"),
    "sum no number": Bad(b"metrics:histogram:x", _series(sum=None), "value"),
    "no UTF-8": Bad(b"metrics:counter:x:l=\xff", b'{"value":1}', "labels"),
    "NUL": Bad(b"metrics:counter:x:l=a\0b", b'{"value":1}', "labels"),
    "encoded in another way": Bad(b"metrics:counter:x:l=%41", b'{"value":1}', "labels"),
    "no label value": Bad(b"metrics:counter:x:l=", b'{"value":1}', "labels"),
    "labels not in order": Bad(b"metrics:counter:x:z=1,a=1", b'{"value":1}', "labels"),
    "le": Bad(b"metrics:counter:x:le=1", b'{"value":1}', "labels"),
    "no name": Bad(b"metrics:counter:", b'{"value":1}', "name"),
    "a name with a space": Bad(b"metrics:counter:x c", b'{"value":1}', "name"),
    "unknown kind": Bad(b"metrics:summary:x", b'{"value":1}', "kind"),
    "no kind": Bad(b"metrics:x", b'{"value":1}', "kind"),
    "of another prefix": Bad(b"other:counter:good_total", b'{"value":7}', "prefix"),
    "too long": Bad(b"metrics:counter:x", b'{"value":1,"more":"%b"}' % (b"x" * 40_000), "length"),
}


# All of them, one table: each is shown or skipped alike by both sidecars.
CASES = SMALL | LARGE | {f"{name}, {bad.reason}": (bad.key, bad.value) for name, bad in BAD.items()}
