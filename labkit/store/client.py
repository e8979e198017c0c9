"""The store from outside: its status, and days to simulate, without spelling out URLs."""

from typing import Any

from labkit.errors import ConnectionFailed, LabkitError
from labkit.web.client import request


def status(url: str) -> dict[str, Any]:
    """Return what GET /api/store/status says: `counts`, `ledger`, `writer` and `simulations`.

    Reading it is recorded nowhere.

    Raises:
        ConnectionFailed: no store answers at `url`.
    """
    return _ask("GET", f"{url}/api/store/status")


def simulate(
    url: str, *, customers: int = 50, arrival_rate: float = 0.5, speed: float = 10.0, seed: int | None = None
) -> str:
    """Let the store simulate a day in the background; return the URL that tells how far it is.

    Args:
        url: the store's root, such as `http://127.0.0.1:5050`.
        customers: how many come.
        arrival_rate: how many per simulated second.
        speed: simulated seconds in a real second.
        seed: the same seed gives the same day.

    Raises:
        ConnectionFailed: no store answers at `url`.
        LabkitError: the store refuses; the message says which value is out of bounds.
    """
    day = {"customers": customers, "arrival_rate": arrival_rate, "speed": speed, "seed": seed}
    return str(_ask("POST", f"{url}/api/store/simulate", day)["status_url"])


def _ask(method: str, url: str, data: object = None) -> dict[str, Any]:
    try:
        answer = request(method, url, data=data)
    except OSError as error:
        raise ConnectionFailed(f"No store answers at {url}: {error}. Is it up? See `labkit status`.") from None
    told = answer.json()
    if answer.status >= 400:
        raise LabkitError(f"The store refused {method} {url}: {(told or {}).get('detail') or answer.text[:200]}")
    if told is None:
        raise ConnectionFailed(f"The server at {url} is not a store: it does not answer in JSON. See `labkit status`.")
    return told
