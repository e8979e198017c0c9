"""The names that a Prometheus knows, quickly: each list is kept a few seconds, and no wait is long.

Whoever types must not wait: where Prometheus is away, every list is empty, and it is left alone for a moment.
"""

from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    import requests

FRESH = 5.0  # s that a list is kept
TIMEOUT = 0.5  # s to wait for one
PAUSE = 3.0  # s to leave a Prometheus alone that did not answer


class Metadata:
    """Metrics, labels and label values of the Prometheus at `url`. No method raises; nothing found is an empty list."""

    def __init__(self, url: str, *, timeout: float = TIMEOUT, fresh: float = FRESH) -> None:
        self._url, self._timeout, self._fresh = url.rstrip("/"), timeout, fresh
        self._kept: dict[tuple[str, str], tuple[float, list[str]]] = {}
        self._away_until = 0.0
        self._session = _session(url)

    def metrics(self) -> list[str]:
        """Return the names of all metrics."""
        return self._list("label/__name__/values")

    def labels(self, selector: str = "") -> list[str]:
        """Return the labels that the series of a selector have, or all there are."""
        return [name for name in self._list("labels", selector) if name != "__name__"]

    def values(self, label: str, selector: str = "") -> list[str]:
        """Return the values of a label, of the series of a selector or of all."""
        return self._list(f"label/{quote(label, safe='')}/values", selector)

    def close(self) -> None:
        """Close the connection to Prometheus."""
        self._session.close()

    def _list(self, path: str, selector: str = "") -> list[str]:
        since, kept = self._kept.get((path, selector), (float("-inf"), []))
        now = monotonic()
        if now - since < self._fresh or now < self._away_until:
            return kept
        self._kept[path, selector] = now, self._asked(path, selector)
        return self._kept[path, selector][1]

    def _asked(self, path: str, selector: str) -> list[str]:
        import requests

        parameters: dict[str, Any] = {"match[]": selector} if selector else {}
        try:
            answer = self._session.get(f"{self._url}/api/v1/{path}", params=parameters, timeout=self._timeout)
            names = answer.json().get("data")
            return [str(name) for name in names] if isinstance(names, list) else []
        except (requests.RequestException, ValueError, AttributeError, RecursionError):
            self._away_until = monotonic() + PAUSE
            return []


def _session(url: str) -> "requests.Session":
    # Not needed before somebody asks, and the magics are to be there at once.
    import requests

    session = requests.Session()
    # A proxy set for the internet knows nothing of this machine's loopback interface.
    session.trust_env = urlsplit(url).hostname not in {"localhost", "127.0.0.1", "::1"}
    return session
