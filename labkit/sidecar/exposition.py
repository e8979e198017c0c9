"""Exposition: families of samples -> the text page that Prometheus scrapes (text format 0.0.4)."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain

from labkit.sidecar.rendering import QUANTILES, Lines

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass
class Family:
    """All samples of one metric: `lines` has the text of each series by its key, ready to expose.

    A histogram also has quantiles: gauges over the life of each series, which are on the page as families of their
    own.
    """

    name: str
    kind: str
    help: str = ""
    lines: dict[bytes, Lines] = field(default_factory=dict)
    _text: tuple[bytes, ...] | None = None

    def put(self, key: bytes, lines: Lines) -> None:
        self.lines[key] = lines
        self._text = None

    def drop(self, key: bytes) -> None:
        if self.lines.pop(key, None):
            self._text = None

    def explain(self, text: str) -> bool:
        """Set the help; return whether it changed."""
        changed = text != self.help
        if changed:
            self.help, self._text = text, None
        return changed

    @property
    def names(self) -> list[str]:
        """The names that no other family may have."""
        if self.kind != "histogram":
            return [self.name]
        return [self.name, *(f"{self.name}_{suffix}" for suffix in ("bucket", "sum", "count", *QUANTILES))]

    def text(self) -> tuple[bytes, ...]:
        """Return the family as it appears on the page, in pieces. Cached: most do not change between two scrapes."""
        if self._text is None:
            series = self.lines.values()
            self._text = (
                _head(self.name, self.kind, self.help),
                b"".join([lines.body for lines in series]),
                *chain.from_iterable(self._quantiles(i, name) for i, name in enumerate(self._quantile_names())),
            )
        return self._text

    def _quantile_names(self) -> Iterable[str]:
        return QUANTILES if self.kind == "histogram" else ()

    def _quantiles(self, i: int, name: str) -> tuple[bytes, bytes]:
        head = _head(f"{self.name}_{name}", "gauge", help_of(name, self.help))
        return head, b"".join([lines.quantile(i) for lines in self.lines.values()])


def page(families: Iterable[Family]) -> tuple[bytes, ...]:
    """Return the page with these families, in this order, in pieces."""
    return tuple(chain.from_iterable(family.text() for family in families))


def _head(name: str, kind: str, text: str) -> bytes:
    """Return HELP, if there is one, and TYPE."""
    help_line = f"# HELP {name} {_escape(text)}\n" if text else ""
    return f"{help_line}# TYPE {name} {kind}\n".encode()


def help_of(quantile: str, text: str) -> str:
    """Return the help of the gauges `_p50`, `_p95` and `_p99` of a histogram with this help."""
    return f"{quantile[1:]}th percentile since the series began: {text}" if text else ""


def read_metadata(raw: Mapping[str, bytes | None]) -> dict[str, str]:
    """Return the help of metrics, from what `<prefix>.meta` holds of each; what cannot be read is left out."""
    helps: dict[str, str] = {}
    for name, entry in raw.items():
        try:
            text = str(json.loads(entry or b"{}")["help"])
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
        # JSON can spell half of a surrogate pair, which no page can.
        helps[name] = text.encode(errors="replace").decode()
    return helps


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")
