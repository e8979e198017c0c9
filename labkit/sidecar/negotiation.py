"""Exposition: which format of the page a client gets, by what it says it accepts.

Text 0.0.4 is for all clients, even those that accept neither format; OpenMetrics 1.0 is for those that ask for it.
"""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Literal

Format = Literal["text", "openmetrics"]

CONTENT_TYPES: dict[Format, str] = {
    "text": "text/plain; version=0.0.4; charset=utf-8",
    "openmetrics": "application/openmetrics-text; version=1.0.0; charset=utf-8",
}

# Whoever waits for less than this gets a page all the same, s.
SHORTEST_REFRESH = 0.2
# What a page may take on a busy machine, s; with less, a Redis that hung looked like a dead sidecar.
FOR_THE_PAGE = 0.4

# A wildcard does not ask for OpenMetrics. Without a version, the client takes any.
_FORMATS: dict[str, tuple[Format, str | None]] = {
    "application/openmetrics-text": ("openmetrics", "1.0.0"),
    "text/plain": ("text", "0.0.4"),
    "text/*": ("text", None),
    "*/*": ("text", None),
}


def negotiate(accept: str) -> Format:
    """Return the format that an `Accept` header prefers; of equal ones, the first."""
    best: Format = "text"
    highest = 0.0
    for media, parameters in _choices(accept):
        found, version = _FORMATS.get(media, (None, None))
        quality = _quality(parameters)
        if found and parameters.get("version", version) == version and quality > highest:
            best, highest = found, quality
    return best


def refresh_timeout(timeout: str, otherwise: float) -> float:
    """Return how long to read for a scraper that waits `timeout` seconds by its header: the rest is for the page."""
    try:
        seconds = float(timeout)
    except ValueError:
        return otherwise
    if not seconds > 0:
        return otherwise
    reading = min(0.8 * seconds, max(0.6 * seconds, seconds - FOR_THE_PAGE))
    return min(max(reading, SHORTEST_REFRESH), otherwise)


def compresses(accept_encoding: str, client: str | None) -> bool:
    """Whether to send gzip: only to clients that ask, and not on this machine, where it costs more than it saves.

    `client` is the address of the peer, None for a Unix socket.
    """
    if client is None or _is_loopback(client):
        return False
    qualities = {coding: _quality(parameters) for coding, parameters in _choices(accept_encoding)}
    return qualities.get("gzip", qualities.get("*", 0.0)) > 0


def _choices(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each choice of the header and its parameters, all in lower case."""
    for choice in header.lower().split(","):
        name, *parameters = (part.strip() for part in choice.split(";"))
        pairs = (parameter.partition("=") for parameter in parameters)
        yield name, {key.strip(): value.strip(' "') for key, _, value in pairs}


def _quality(parameters: dict[str, str]) -> float:
    try:
        quality = float(parameters.get("q", 1))
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0


def _is_loopback(address: str) -> bool:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback
