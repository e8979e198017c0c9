"""Exposition: families of samples -> the text page that Prometheus scrapes (text format 0.0.4)."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

from labkit.sidecar.kinds import KINDS, Kind
from labkit.sidecar.rendering import Lines

ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})


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

    def set_help(self, text: str) -> bool:
        """Set the help; return whether it changed."""
        changed = text != self.help
        if changed:
            self.help, self._text = text, None
        return changed

    @property
    def shape(self) -> Kind:
        return KINDS[self.kind]

    @property
    def sample_names(self) -> set[str]:
        """The names of its samples, without those of the quantiles."""
        return {self.name + suffix for suffix in self.shape.samples}

    @property
    def names(self) -> set[str]:
        """The names that no other family may have."""
        return {self.name, *self.sample_names, *(f"{self.name}_{quantile}" for quantile in self.shape.quantiles)}

    def text(self) -> tuple[bytes, ...]:
        """Return the family as it appears on the page, in pieces. Cached: most do not change between two scrapes."""
        if self._text is None:
            series = self.lines.values()
            bodies = b"".join([lines.body for lines in series])
            self._text = (head(self.name, self.kind, self.help), bodies, *quantiles(self, series))
        return self._text


def quantiles(family: Family, series: Iterable[Lines], escapes: Mapping[int, str] = ESCAPES) -> Iterator[bytes]:
    """Yield the gauges `_p50`, `_p95` and `_p99` of a histogram: in turn a head and the lines of all series."""
    for i, quantile in enumerate(family.shape.quantiles):
        explained = f"{quantile[1:]}th percentile since the series began: {family.help}" if family.help else ""
        yield head(f"{family.name}_{quantile}", "gauge", explained, escapes)
        yield b"".join([lines.quantile(i) for lines in series])


def page(families: Iterable[Family]) -> tuple[bytes, ...]:
    """Return the page with these families, in this order, in pieces."""
    return tuple(chain.from_iterable(family.text() for family in families))


def head(name: str, kind: str, text: str, escapes: Mapping[int, str] = ESCAPES) -> bytes:
    """Return HELP, if there is one, and TYPE."""
    help_line = f"# HELP {name} {text.translate(escapes)}\n" if text else ""
    return f"{help_line}# TYPE {name} {kind}\n".encode()


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
