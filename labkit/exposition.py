"""Exposition: families of samples -> the text page that Prometheus scrapes (text format 0.0.4)."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# What the script adds to every histogram, over the life of the series.
QUANTILES = ("p50", "p95", "p99")
KIND_OF_QUANTILES = "gauge"


@dataclass
class Family:
    """All samples of one metric: `lines` has the text of each series by its key, ready to expose."""

    name: str
    kind: str
    help: str = ""
    lines: dict[bytes, bytes] = field(default_factory=dict)
    _body: bytes | None = None

    def put(self, key: bytes, lines: bytes) -> None:
        self.lines[key] = lines
        self._body = None

    def drop(self, key: bytes) -> None:
        del self.lines[key]
        self._body = None

    @property
    def body(self) -> bytes:
        """The lines of all series. Kept, because most families do not change between two scrapes."""
        if self._body is None:
            self._body = b"".join(self.lines.values())
        return self._body

    @property
    def text(self) -> bytes:
        """The family as it stands on the page: HELP, if there is one, TYPE and the samples."""
        help_line = f"# HELP {self.name} {_escape(self.help)}\n" if self.help else ""
        return f"{help_line}# TYPE {self.name} {self.kind}\n".encode() + self.body


def page(families: Iterable[Family]) -> bytes:
    """Return the page with these families, in this order."""
    return b"".join(family.text for family in families)


def read_metadata(raw: Mapping[bytes, bytes]) -> dict[str, str]:
    """Return the help text of every family, from what `<prefix>.meta` holds; unreadable entries are left out."""
    helps: dict[str, str] = {}
    for name, entry in raw.items():
        try:
            declared = json.loads(entry)
            text = str(declared["help"])
            histogram = declared["type"] == "histogram"
        except (ValueError, TypeError, KeyError):
            continue
        family = name.decode(errors="replace")
        helps[family] = text
        if histogram:
            helps |= {f"{family}_{q}": f"{q[1:]}th percentile since the series began: {text}" for q in QUANTILES}
    return helps


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")
