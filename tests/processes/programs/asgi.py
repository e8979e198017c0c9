"""Run it: REDIS_URL=redis://127.0.0.1:6379/0 uvicorn --workers 2 asgi:app."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from labkit import RedisMetricsService

metrics = RedisMetricsService(os.environ["REDIS_URL"])
answered = metrics.counter("answered", "Requests answered.")


async def answer(_: Request) -> PlainTextResponse:
    """Answer with the number of the process that did."""
    answered.inc()
    return PlainTextResponse(str(os.getpid()))


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    """Close when the server stops: afterwards uvicorn ends the process with the signal that stopped it."""
    yield
    await asyncio.to_thread(metrics.close)


app = Starlette(routes=[Route("/", answer)], lifespan=lifespan)
