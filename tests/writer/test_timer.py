"""Timing functions of every kind: their body is timed, and they stay what they were."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from time import sleep
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from labkit import MetricError
from labkit.writer.timer import Timer

PAUSE = 0.02
KINDS = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)


def plain() -> list[int]:
    sleep(PAUSE)
    return [1]


async def coroutine() -> list[int]:
    await asyncio.sleep(PAUSE)
    return [1]


def generator() -> Iterator[int]:
    yield 1
    sleep(PAUSE)


async def async_generator() -> AsyncIterator[int]:
    yield 1
    await asyncio.sleep(PAUSE)


class Called:
    async def __call__(self) -> list[int]:
        return await coroutine()


async def run(function: Callable[[], Any]) -> list[Any]:
    made = function()
    if inspect.isasyncgen(made):
        return [item async for item in made]
    return list(await made if inspect.isawaitable(made) else made)


@pytest.mark.parametrize("function", [plain, coroutine, generator, async_generator, partial(coroutine), Called()])
def test_the_body_is_timed(function: Callable[[], Any]) -> None:
    """Not only the call, which returns at once; and what asks for its kind gets the same answer as before."""
    took: list[float] = []
    timed = Timer(took.append, 1e3)(function)
    for calls in (1, 2):
        assert asyncio.run(run(timed)) == [1]
        assert len(took) == calls
    assert min(took) >= PAUSE * 1e3 * 0.9
    if inspect.isfunction(function):
        assert [kind(timed) for kind in KINDS] == [kind(function) for kind in KINDS]
        assert timed.__name__ == function.__name__


def test_what_is_raised_and_thrown_passes_through() -> None:
    """A generator under @contextmanager, or @asynccontextmanager, sees the exception of the block, and is timed."""
    took: list[float] = []
    seen: list[str] = []

    @contextmanager
    @Timer(took.append, 1)
    def block() -> Iterator[str]:
        try:
            yield "inside"
        except ValueError as error:
            seen.append(str(error))

    @asynccontextmanager
    @Timer(took.append, 1)
    async def async_block() -> AsyncIterator[str]:
        try:
            yield "inside"
        except ValueError as error:
            seen.append(str(error))

    async def raise_in_both() -> None:
        with block() as inside:
            raise ValueError(inside)
        async with async_block() as inside:
            raise ValueError(inside)

    asyncio.run(raise_in_both())
    assert (seen, len(took)) == (["inside", "inside"], 2)


def test_an_asynchronous_generator_is_sent_to_and_closed() -> None:
    """As without the timer: it receives what is sent, and its cleanup runs when it is closed early."""
    took: list[float] = []
    closed: list[str] = []

    @Timer(took.append, 1)
    async def echo() -> Any:
        try:
            said = yield "ready"
            while True:
                said = yield said
        finally:
            closed.append("closed")

    async def talk() -> list[object]:
        steps = echo()
        answers = [await anext(steps), await steps.asend("a"), await steps.asend("b")]
        await steps.aclose()
        return answers

    assert asyncio.run(talk()) == ["ready", "a", "b"]
    assert (closed, len(took)) == (["closed"], 1)


def test_a_timed_route_is_served() -> None:
    """A plain Starlette route asks what its function is."""
    took: list[float] = []

    @Timer(took.append, 1)
    async def answer(_: Request) -> PlainTextResponse:
        await asyncio.sleep(PAUSE)
        return PlainTextResponse("answered")

    with TestClient(Starlette(routes=[Route("/", answer)])) as client:
        assert client.get("/").text == "answered"
    assert took[0] >= PAUSE * 0.9


@pytest.mark.parametrize("wrong", [Called, staticmethod(plain), contextmanager(generator)])
def test_what_does_not_run_in_its_call_is_refused(wrong: Any) -> None:
    """At the decoration, with the way out; the measurement would be of something else."""
    with pytest.raises(MetricError, match=r"time its methods|put time\(\) below"):
        Timer(list[float]().append, 1)(wrong)
