"""The options of a lab, each spelled once, with its default and its meaning: small frozen values, checked once.

`Stack.up`, the command line, `%lab` and the pytest plugin read these fields.
"""

import inspect
from collections.abc import Callable
from dataclasses import Field, asdict, dataclass, field, fields
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, Generic, Literal, ParamSpec, TypeVar, get_args, get_origin

from labkit.errors import StackError

Ports = Literal["fixed", "auto"]
Sidecar = Literal["labkit", "redis_exporter"]
Server = Literal["valkey", "redis"]

Given = ParamSpec("Given")
Class = TypeVar("Class")
Result = TypeVar("Result")


def _means(meaning: str) -> dict[str, str]:
    return {"meaning": meaning}


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of a lab, kept while it runs. Durations in seconds.

    Raises:
        StackError: a value makes no sense; the message says which do.

    >>> Options(scrape_interval=1).scrape_interval
    1.0
    """

    ports: Ports = field(
        default="fixed",
        metadata=_means(
            "which ports: fixed (Redis 6379, store 5050, sidecar 9121, Prometheus 9090) or auto (any free ones)"
        ),
    )
    scrape_interval: float = field(default=5.0, metadata=_means("seconds between two scrapes by Prometheus"))
    flush_interval: float = field(default=5.0, metadata=_means("seconds between two batches of the store"))
    ttl: float = field(
        default=1800.0, metadata=_means("seconds that a series of the store lives after its last refresh")
    )
    sidecar: Sidecar = field(
        default="labkit", metadata=_means("which sidecar: labkit, or redis_exporter, the stock one")
    )
    server: Server = field(
        default="valkey", metadata=_means("which server: valkey from its wheel, or redis from the distribution")
    )

    def __post_init__(self) -> None:
        for each in fields(Options):
            value = getattr(self, each.name)
            if get_origin(each.type) is Literal:
                _require_one_of(each.name, value, get_args(each.type))
            else:
                object.__setattr__(self, each.name, _seconds(each.name, value))

    def differences(self, other: "Options") -> list[str]:
        """Say what differs, seen from a lab that runs with these options: "ttl is 1800, not 60"."""
        mine, theirs = asdict(self), asdict(other)
        return [
            f"{name} is {_show(mine[name])}, not {_show(theirs[name])}" for name in mine if mine[name] != theirs[name]
        ]


@dataclass(frozen=True, kw_only=True)
class Start(Options):
    """What `Stack.up` is asked for: the options of the lab, and which lab is to be started, and how."""

    name: str | None = field(
        default=None, metadata=_means("name of the lab; by default the notebook's, or `lab` outside a notebook")
    )
    fresh: bool = field(default=False, metadata=_means("begin with an empty lab, even if this one runs already"))
    keep: bool = field(default=False, metadata=_means("in a notebook: let it outlive the kernel, until `down`"))
    home: Path | str | None = field(
        default=None, metadata=_means("folder that holds the labs; by default, see `find_home`")
    )
    on_step: Callable[[str], None] = field(
        default=lambda _: None, metadata=_means("told, in a sentence, what takes long")
    )

    @property
    def options(self) -> Options:
        """The options of the lab alone."""
        return Options(**{each.name: getattr(self, each.name) for each in fields(Options)})


def option(name: str) -> "Field[Any]":
    """Return one of the options by its name; its `metadata["meaning"]` says what it means."""
    return {each.name: each for each in fields(Start)}[name]


class Taking(Generic[Given]):
    """Lets a method that takes `values` be called with their fields, which its signature and its help then show."""

    def __init__(self, values: Callable[Given, Start]) -> None:
        self._values = values

    def __call__(self, method: Callable[[Class, Start], Result]) -> Callable[Concatenate[Class, Given], Result]:
        @wraps(method)
        def call(first: Class, /, *args: Given.args, **kwargs: Given.kwargs) -> Result:
            return method(first, self._values(*args, **kwargs))

        lines = [f"            {each.name}: {each.metadata['meaning']}." for each in fields(Start)]
        call.__doc__ = "\n".join([(method.__doc__ or "").rstrip(), "", "        Args:", *lines, "        "])
        first, *_ = inspect.signature(method).parameters.values()
        given = inspect.signature(self._values).parameters.values()
        call.__signature__ = inspect.Signature([first, *given])  # type: ignore[attr-defined]  # inspect reads it
        return call


def _require_one_of(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise StackError(f"{name}={value!r} is not known; choose {' or '.join(map(repr, choices))}.")


def _seconds(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.1 <= value <= 86_400:
        raise StackError(f"{name}={value!r} makes no sense; give seconds, from 0.1 to 86400.")
    return float(value)


def _show(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"
