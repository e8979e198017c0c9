"""What a lab can be told when it starts: small frozen values, checked once."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args, get_origin

from labkit.errors import StackError

Ports = Literal["fixed", "auto"]
Sidecar = Literal["labkit", "redis_exporter"]
Server = Literal["valkey", "redis"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of a lab. Durations in seconds; `ttl` is the life of a series that nobody refreshes.

    Raises:
        StackError: a value makes no sense; the message says which do.

    >>> Options(scrape_interval=1).scrape_interval
    1.0
    """

    ports: Ports = "fixed"
    scrape_interval: float = 5.0
    flush_interval: float = 5.0
    ttl: float = 1800.0
    sidecar: Sidecar = "labkit"
    server: Server = "valkey"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if get_origin(field.type) is Literal:
                _require_one_of(field.name, value, get_args(field.type))
            else:
                object.__setattr__(self, field.name, _seconds(field.name, value))

    def differences(self, other: "Options") -> list[str]:
        """Say what differs, seen from a lab that runs with these options: "ttl is 1800, not 60"."""
        mine, theirs = asdict(self), asdict(other)
        return [
            f"{name} is {_show(mine[name])}, not {_show(theirs[name])}" for name in mine if mine[name] != theirs[name]
        ]


def _require_one_of(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise StackError(f"{name}={value!r} is not known; choose {' or '.join(map(repr, choices))}.")


def _seconds(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.1 <= value <= 86_400:
        raise StackError(f"{name}={value!r} makes no sense; give seconds, from 0.1 to 86400.")
    return float(value)


def _show(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"
