"""What the store's API takes and gives, as its documentation shows it."""

from secrets import randbits
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from labkit.store.ledger import Ledger
from labkit.store.shop import EVENTS, Counts, Event
from labkit.store.simulation import Plan, Simulation, State
from labkit.writer import WriterStats

MAX_REAL_SECONDS = 3600

_Number = Annotated[int, Field(ge=0)]


class CountsNow(BaseModel):
    """How many customers there are now."""

    model_config = ConfigDict(from_attributes=True)

    waiting: _Number = Field(description="In the queue.")
    active: _Number = Field(description="In the shop, looking around.")
    served: _Number = Field(description="Served since the store started.")
    total: _Number = Field(description="Joined since the store started.")


class StepTaken(BaseModel):
    """A step that happened, and the counts after it."""

    event: Event
    counts: CountsNow


class Refusal(BaseModel):
    """Why it did not happen."""

    detail: str


class RequestLine(BaseModel):
    """How often an endpoint was asked with one method."""

    model_config = ConfigDict(from_attributes=True)

    endpoint: str = Field(description="The template of the route, or `unmatched`.")
    method: str
    answered: _Number = Field(description="All requests, failed ones too.")
    failed: _Number = Field(description="Those answered with 4xx or 5xx, or not at all.")


class LedgerPage(BaseModel):
    """Exactly what happened since the store started, counted without the metrics."""

    events: dict[Event, int] = Field(description="How often each event happened, by hand and by simulation.")
    requests: list[RequestLine] = Field(description="By endpoint and method; monitoring endpoints are not in it.")

    @classmethod
    def of(cls, ledger: Ledger) -> Self:
        lines = [RequestLine.model_validate(line) for line in ledger.requests()]
        return cls(events=ledger.events(), requests=lines)


class SimulationRequest(BaseModel):
    """A day to simulate. Customers who find no place wait, and give up if it takes too long."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    customers: int = Field(default=50, ge=1, le=10_000, description="How many come.")
    arrival_rate: float = Field(default=0.5, ge=0.001, le=100, description="How many per simulated second.")
    speed: float = Field(default=10, ge=0.1, le=10_000, description="Simulated seconds in a real second.")
    seed: int | None = Field(
        default=None, ge=0, lt=2**32, description="The same seed gives the same day; none gives any day."
    )

    @model_validator(mode="after")
    def _ends_in_time(self) -> Self:
        seconds = self.customers / self.arrival_rate / self.speed
        if seconds > MAX_REAL_SECONDS:
            raise PydanticCustomError(
                "too_long", f"It would take {seconds:.0f} s, and may take {MAX_REAL_SECONDS} s. Raise the speed."
            )
        return self

    def plan(self) -> Plan:
        seed = randbits(32) if self.seed is None else self.seed
        return Plan(self.customers, self.arrival_rate, self.speed, seed)


class SimulationStatus(BaseModel):
    """A simulation: what was asked for, and how far it is."""

    id: str
    state: State
    customers: int
    arrival_rate: float
    speed: float
    seed: int
    simulated_seconds: float = Field(description="When the latest step happened, after opening.")
    events: dict[Event, int] = Field(description="Steps that happened.")
    missed: _Number = Field(description="Steps that could not happen: somebody else took the customer's place.")

    @classmethod
    def of(cls, simulation: Simulation) -> Self:
        return cls(
            id=simulation.id,
            state=simulation.state,
            **vars(simulation.plan),
            simulated_seconds=simulation.simulated_seconds,
            events={event: simulation.events[event] for event in EVENTS},
            missed=simulation.missed,
        )


class SimulationStarted(BaseModel):
    """A simulation on its way; `status_url` tells how far it is."""

    id: str
    seed: int = Field(description="Send it again to get the same day again.")
    status_url: str


class FlushInterval(BaseModel):
    """How often the store sends to Redis what it recorded."""

    seconds: float = Field(ge=0.1, le=86_400, description="Between two batches.")


class WriterNow(BaseModel):
    """How what the store recorded gets to Redis."""

    pending: _Number = Field(description="Records that Redis has not acknowledged yet.")
    next_try: float = Field(ge=0, description="Seconds until Redis hears of the store again.")
    error: str = Field(description="Why the last attempt failed; empty if it did not.")

    @classmethod
    def of(cls, stats: WriterStats) -> Self:
        return cls(pending=stats.pending, next_try=stats.seconds_to_next_try, error=stats.last_error)


class Status(BaseModel):
    """The present counts, the ledger, the way to Redis, and the simulations that are remembered."""

    counts: CountsNow
    ledger: LedgerPage
    writer: WriterNow
    simulations: list[SimulationStatus]

    @classmethod
    def of(cls, counts: Counts, ledger: Ledger, stats: WriterStats, simulations: list[Simulation]) -> Self:
        return cls(
            counts=CountsNow.model_validate(counts),
            ledger=LedgerPage.of(ledger),
            writer=WriterNow.of(stats),
            simulations=[SimulationStatus.of(simulation) for simulation in simulations],
        )
