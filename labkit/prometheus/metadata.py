"""The names that a Prometheus knows, quickly: each list is kept a few seconds, and no wait is long.

Whoever types must not wait: where Prometheus is away, every list is empty, and it is left alone for a moment.
"""

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from labkit.errors import QueryError

if TYPE_CHECKING:
    from labkit.prometheus.client import Answer, Client

FRESH = 5.0  # s that a list is kept
TIMEOUT = 0.5  # s to wait for one
PAUSE = 3.0  # s to leave a Prometheus alone that did not answer


class Metadata:
    """Metrics, labels and label values of the Prometheus at `url`. No method raises; nothing found is an empty list."""

    def __init__(self, url: str, *, timeout: float = TIMEOUT, fresh: float = FRESH) -> None:
        self._url, self._timeout, self._fresh = url, timeout, fresh
        self._kept: dict[tuple[str, str], tuple[float, list[str]]] = {}
        self._away_until = 0.0

    def metrics(self) -> list[str]:
        """Return the names of all metrics."""
        return self.values("__name__")

    def labels(self, selector: str = "") -> list[str]:
        """Return the labels that the series of a selector have, or all there are."""
        names = self._list(("", selector), lambda client: client.labels(selector))
        return [name for name in names if name != "__name__"]

    def values(self, label: str, selector: str = "") -> list[str]:
        """Return the values of a label, of the series of a selector or of all."""
        return self._list((label, selector), lambda client: client.label_values(label, selector))

    def _list(self, key: tuple[str, str], ask: "Callable[[Client], Answer]") -> list[str]:
        since, kept = self._kept.get(key, (float("-inf"), []))
        now = monotonic()
        if now - since < self._fresh or now < self._away_until:
            return kept
        self._kept[key] = now, self._asked(ask)
        return self._kept[key][1]

    def _asked(self, ask: "Callable[[Client], Answer]") -> list[str]:
        # Not needed before somebody types, and the magics are to be there at once.
        from labkit.prometheus.client import Client, Refused

        try:
            names = ask(Client(self._url, self._timeout, grace=0))["data"]
            return [str(name) for name in names] if isinstance(names, list) else []
        except Refused:  # a selector that is still being typed
            return []
        except QueryError:
            self._away_until = monotonic() + PAUSE
            return []
