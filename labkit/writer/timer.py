"""Record: how long a block or a function took, in a histogram's own unit."""

from collections.abc import AsyncGenerator, Callable, Generator
from functools import wraps
from inspect import isasyncgenfunction, isclass, iscoroutinefunction, isgeneratorfunction, unwrap
from time import perf_counter
from typing import Any, Final, ParamSpec, Self, TypeVar, cast

from labkit.errors import MetricError

# Units of time, and how many of them make a second.
PER_SECOND: Final = {"": 1, "s": 1, "seconds": 1, "ms": 1e3, "milliseconds": 1e3, "us": 1e6, "ns": 1e9}

P = ParamSpec("P")
R = TypeVar("R")


class Timer:
    """Observes how long its block took, even when the block raises.

    As a decorator it times each call, until the function has returned; a coroutine function, until it was awaited; a
    generator function, from its first step to its last. Each of them stays what it was.
    """

    def __init__(self, observe: Callable[[float], None], per_second: float) -> None:
        self._observe, self._per_second = observe, per_second
        self._started: list[float] = []

    def __enter__(self) -> Self:
        # A stack: blocks may be nested.
        self._started.append(perf_counter())
        return self

    def __exit__(self, *_: object) -> None:
        self._observe((perf_counter() - self._started.pop()) * self._per_second)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Time every call of `function`, each with a timer of its own: calls may overlap.

        Raises:
            MetricError: it is a class, a method's wrapper or a maker of context managers: what takes time is elsewhere.
        """
        _refuse_what_does_not_run(function)
        # An object may be called like a function, and its method be any of these.
        called = type(function).__call__
        decorate = next((decorate for kind, decorate in _KINDS if kind(function) or kind(called)), _plain)
        return cast(Callable[P, R], decorate(lambda: Timer(self._observe, self._per_second), function))


def _refuse_what_does_not_run(function: Callable[..., object]) -> None:
    name = getattr(function, "__name__", repr(function))
    if isclass(function):
        raise MetricError(f"{name} is a class: time its methods, or a block that uses it.")
    if isinstance(function, staticmethod | classmethod):
        raise MetricError(f"{name}: put time() below @{type(function).__name__}.")
    inner = unwrap(function)
    if any(kind(inner) and not kind(function) for kind in (isgeneratorfunction, isasyncgenfunction)):
        # Its body runs after the call, for example in the `with` block of what @contextmanager makes.
        raise MetricError(f"{name} returns before its body has run: put time() below the decorator that makes it so.")


def _plain(timer: Callable[[], Timer], function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def timed(*args: Any, **kwargs: Any) -> Any:
        with timer():
            return function(*args, **kwargs)

    return timed


def _coroutine(timer: Callable[[], Timer], function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    async def timed(*args: Any, **kwargs: Any) -> Any:
        with timer():
            return await function(*args, **kwargs)

    return timed


def _generator(timer: Callable[[], Timer], function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def timed(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with timer():
            return (yield from function(*args, **kwargs))

    return timed


def _async_generator(timer: Callable[[], Timer], function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    async def timed(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        with timer():
            steps = function(*args, **kwargs)
            step = anext(steps)
            # As `yield from` does it, which asynchronous generators do not have.
            while True:
                try:
                    value = await step
                except StopAsyncIteration:
                    return
                try:
                    step = steps.asend((yield value))
                except GeneratorExit:
                    await steps.aclose()
                    raise
                except BaseException as error:
                    step = steps.athrow(error)

    return timed


_KINDS: Final = (
    (iscoroutinefunction, _coroutine),
    (isgeneratorfunction, _generator),
    (isasyncgenfunction, _async_generator),
)
