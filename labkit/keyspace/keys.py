"""Redis: the name of every key labkit writes, and nothing else.

| key                                          | holds                                              |
|----------------------------------------------|----------------------------------------------------|
| `metrics:<kind>:<name>[:<label>=<value>,…]`  | one series, as JSON                                |
| `metrics.index`                              | series key -> version of its last change           |
| `metrics.meta`                               | metric name -> type, help and unit                 |
| `metrics.state`                              | epoch and version of the data                      |
| `metrics.removed`                            | series key -> when it was removed                  |
| `metrics.fences`                             | writer -> number of the last batch applied for it  |
| `metrics.writers`                            | writer -> when its fence may be forgotten          |
| `metrics.entries:gauge:<name>[:…]`           | writer -> what it holds in a shared gauge          |
| `metrics.leases:gauge:<name>[:…]`            | writer -> when that ends                           |

Only series keys have a colon after the prefix, so `KEYS "metrics:*"` lists the series and nothing else.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from labkit.errors import MetricError

KINDS = ("counter", "gauge", "histogram")

# Bytes; a sidecar shows no series with a longer one, because each key costs the server time wherever it is listed.
LONGEST_KEY = 8 * 1024


def _beside(name: str) -> property:
    return property(lambda keys: f"{keys.prefix}.{name}")


_PREFIX = re.compile(r"[a-zA-Z0-9_.-]+")
_ENCODED = re.compile(r"[%,\x01-\x1f\x7f]")


@dataclass(frozen=True)
class Keys:
    """The keys under one prefix.

    >>> Keys().series("counter", "user_events", [("event", "joined")])
    'metrics:counter:user_events:event=joined'
    """

    prefix: str = "metrics"
    state, index, meta = _beside("state"), _beside("index"), _beside("meta")
    removed, fences, writers = _beside("removed"), _beside("fences"), _beside("writers")

    def __post_init__(self) -> None:
        if not _PREFIX.fullmatch(self.prefix):
            raise MetricError(f"{self.prefix!r} is not a valid key prefix; use letters, digits, '_', '.' and '-'.")

    @property
    def bookkeeping(self) -> tuple[str, str, str, str, str, str]:
        """The keys that every batch needs, in the order in which `flush.lua` takes them."""
        return self.state, self.index, self.meta, self.removed, self.fences, self.writers

    def of_writers(self, series: str) -> tuple[str, str]:
        """Return where the writers of a shared gauge have their entries and their leases, for the key of the series."""
        rest = series[len(self.prefix) :]
        return f"{self.prefix}.entries{rest}", f"{self.prefix}.leases{rest}"

    def series(self, kind: str, name: str, labels: Iterable[tuple[str, str]] = ()) -> str:
        """Return the key of one series. Labels are sorted by name; an empty value is the same as no label.

        Raises:
            MetricError: the key would be longer than `LONGEST_KEY`.
        """
        encoded = ",".join(f"{label}={encode(value)}" for label, value in sorted(labels) if value)
        key = ":".join(filter(None, (self.prefix, kind, name, encoded)))
        # A character is at most four bytes: most keys need not be encoded to be measured.
        if 4 * len(key) > LONGEST_KEY and len(key.encode()) > LONGEST_KEY:
            raise MetricError(f"{name}: its labels are {len(encoded)} characters long; a key has {LONGEST_KEY} bytes.")
        return key

    def of_metric(self, kind: str, name: str) -> str:
        """Return the Redis pattern that matches the keys of all children of one metric."""
        # No character that a prefix or a name may contain is special in a pattern.
        return f"{self.prefix}:{kind}:{name}:*"


def encode(value: str) -> str:
    """Percent-encode what would break a key: `%`, `,` and control characters. The rest stays readable.

    What no series in Prometheus can carry (NUL, half of a surrogate pair) becomes U+FFFD.
    """
    text = value.replace("\0", "�").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return _ENCODED.sub(lambda found: f"%{ord(found[0]):02X}", text)


def parse(key: str) -> tuple[str, str, dict[str, str]]:
    """Take a series key apart: kind, metric name, labels. The inverse of `Keys.series`.

    Raises:
        MetricError: the key is not a series key.
    """
    _, kind, name, *labels = key.split(":", 3) if key.count(":") >= 2 else ("", "", "")
    if kind not in KINDS:
        raise MetricError(f"{key!r} is not a series key; one looks like 'metrics:counter:user_events:event=joined'.")
    pairs = (pair.partition("=") for pair in "".join(labels).split(",") if pair)
    return kind, name, {label: unquote(value) for label, _, value in pairs}
