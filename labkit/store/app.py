"""The store behind HTTP: `create_app` for tests and other servers, `serve` for `labkit store`.

The application has no metrics endpoint: what it records goes to Redis, and the sidecar shows it.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable

import uvicorn
from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline

from labkit.errors import FlushError, MetricError
from labkit.integrations.asgi import RequestMeter
from labkit.keyspace.connection import redact
from labkit.store.forwarded import Forwarded
from labkit.store.instruments import Instruments
from labkit.store.ledger import Ledger
from labkit.store.messages import (
    CountsNow,
    FlushInterval,
    Refusal,
    SimulationRequest,
    SimulationStarted,
    SimulationStatus,
    Status,
    StepTaken,
)
from labkit.store.shop import Counts, Event, Shop, StepRefusedError
from labkit.store.simulation import Simulations, TooManySimulationsError
from labkit.web.guard import OriginGuard
from labkit.web.listening import listen
from labkit.writer import RedisMetricsService

log = logging.getLogger("labkit")

API = "/api/store"
# Looking at the store must not change what is looked at.
UNMETERED = (f"{API}/status", "/-/healthy", "/-/flush-interval", "/docs", "/openapi.json", "/static-offline-docs")
CLOSE_TIMEOUT = 3.0

DESCRIPTION = "A queue of customers to observe. Every step and every request is recorded in Redis and in a ledger."


def create_app(metrics: RedisMetricsService, *, close_metrics: bool = False) -> FastAPI:
    """Return a new store, empty, that records to `metrics`; with `close_metrics` it closes them at shutdown."""
    ledger, instruments = Ledger(), Instruments(metrics)
    shop = Shop(ledger.happened, instruments.record)
    simulations = Simulations(shop)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await simulations.stop()
        if close_metrics:
            await asyncio.to_thread(_close, metrics)

    # Its page of documentation brings its script along, and shows without a network.
    app = FastAPIOffline(title="labkit store", description=DESCRIPTION, lifespan=lifespan, redoc_url=None)
    for router in (
        _steps(shop),
        _simulations(simulations),
        _observation(shop, ledger, metrics, simulations),
        _management(metrics),
    ):
        app.include_router(router)
    app.add_exception_handler(RequestValidationError, _explain)
    app.add_middleware(RequestMeter, metrics=metrics, exclude=UNMETERED, known=_known(app), on_answer=ledger.answered)
    app.add_middleware(Forwarded)  # outermost: what it puts back, the others see
    return app


def serve(  # noqa: PLR0913  the options of the writer pass through
    redis_url: str,
    host: str,
    port: int,
    *,
    flush_interval: float = 5.0,
    ttl: float = 1800,
    prefix: str = "metrics",
) -> None:
    """Run the store until SIGTERM or SIGINT, and send what it recorded last before it ends. Durations in seconds.

    Redis may be away, at the start and at any time: customers do not notice. Pages of other sites are refused.

    Raises:
        ConnectionFailed: the URL is malformed.
        MetricError: an option makes no sense.
        PortInUse: the port belongs to somebody else.
    """
    with listen(host, port) as listener:
        metrics = RedisMetricsService(redis_url, flush_interval=flush_interval, ttl=ttl, prefix=prefix)
        app = create_app(metrics, close_metrics=True)
        app.add_middleware(OriginGuard, pages=UNMETERED)
        log.warning("labkit store: http://%s:%d/docs records to %s", host, port, redact(redis_url))
        # Longer than any customer thinks, so that a kept connection is never closed under a request.
        config = uvicorn.Config(
            app, access_log=False, log_level="warning", timeout_graceful_shutdown=2, timeout_keep_alive=75
        )
        # Ctrl-C has stopped the server by the time it is raised again.
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run([listener])


def _steps(shop: Shop) -> APIRouter:
    router = APIRouter(prefix=API, tags=["steps"], responses={409: {"model": Refusal}})

    def add(path: str, event: Event, step: Callable[[], Counts]) -> None:
        async def take() -> StepTaken:
            try:
                return StepTaken(event=event, counts=CountsNow.model_validate(step()))
            except StepRefusedError as refusal:
                raise HTTPException(409, str(refusal)) from None

        for method in ("GET", "POST"):
            summary = (step.__doc__ or "").partition("\n")[0]
            router.add_api_route(path, take, methods=[method], name=event, summary=summary)

    add("/join", "joined", shop.join)
    add("/look-around", "looked_around", shop.look_around)
    add("/served", "served", shop.serve)
    add("/left", "left", shop.leave)
    return router


def _simulations(simulations: Simulations) -> APIRouter:
    router = APIRouter(prefix=API, tags=["simulations"])

    @router.post("/simulate", status_code=202, responses={422: {"model": Refusal}, 429: {"model": Refusal}})
    async def simulate(
        request: Request, response: Response, wanted: SimulationRequest | None = None
    ) -> SimulationStarted:
        """Simulate a day of customers, live, in the background."""
        try:
            simulation = simulations.start((wanted or SimulationRequest()).plan())
        except TooManySimulationsError as refusal:
            raise HTTPException(429, str(refusal)) from None
        status_url = str(request.url_for("simulation_status", simulation_id=simulation.id))
        response.headers["Location"] = status_url
        return SimulationStarted(id=simulation.id, seed=simulation.plan.seed, status_url=status_url)

    @router.get("/simulations/{simulation_id}", responses={404: {"model": Refusal}})
    async def simulation_status(simulation_id: str) -> SimulationStatus:
        """Tell how far a simulation is."""
        simulation = simulations.get(simulation_id)
        if simulation is None:
            raise HTTPException(404, f"No simulation {simulation_id!r} is known; the oldest are forgotten.")
        return SimulationStatus.of(simulation)

    return router


def _observation(shop: Shop, ledger: Ledger, metrics: RedisMetricsService, simulations: Simulations) -> APIRouter:
    router = APIRouter(tags=["observation"])

    @router.get(f"{API}/status")
    async def status() -> Status:
        """Show the present counts, the ledger, and how far Redis is behind. Reading them is recorded nowhere."""
        return Status.of(shop.counts, ledger, metrics.stats(), list(simulations))

    @router.get("/-/healthy")
    async def healthy() -> dict[str, str]:
        """Tell that the store answers; it does so also while Redis is away."""
        return {"status": "ok"}

    return router


def _management(metrics: RedisMetricsService) -> APIRouter:
    router = APIRouter(prefix="/-", tags=["management"])

    @router.get("/flush-interval")
    async def flush_interval() -> FlushInterval:
        """Tell how often the store sends to Redis what it recorded."""
        return FlushInterval(seconds=metrics.flush_interval)

    @router.put("/flush-interval", responses={422: {"model": Refusal}})
    async def set_flush_interval(wanted: FlushInterval) -> FlushInterval:
        """Send as often as this from now on. What waits is sent at once; nothing is lost."""
        try:
            metrics.flush_interval = wanted.seconds
        except MetricError as error:
            raise HTTPException(422, str(error)) from None
        return await flush_interval()

    return router


def _known(app: FastAPI) -> list[tuple[str, str]]:
    operations = app.openapi()["paths"].items()
    return [(path, method.upper()) for path, methods in operations for method in methods if path not in UNMETERED]


async def _explain(_: Request, error: Exception) -> JSONResponse:
    # One sentence per mistake, and not the mistake itself: FastAPI's own answer fails to repeat a NaN.
    mistakes = error.errors() if isinstance(error, RequestValidationError) else []
    detail = "; ".join(f"{_place(mistake['loc'])}: {mistake['msg']}" for mistake in mistakes)
    return JSONResponse({"detail": detail}, status_code=422)


def _place(location: Iterable[str | int]) -> str:
    return ".".join(part for part in location if isinstance(part, str)).removeprefix("body.")


def _close(metrics: RedisMetricsService) -> None:
    try:
        metrics.close(CLOSE_TIMEOUT)
    except FlushError as error:
        log.warning("At shutdown: %s", error)
