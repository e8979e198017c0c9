"""Simulations: days lived in the shop, each in a task of the event loop, at a speed that people can watch."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from secrets import token_hex
from typing import Literal

from labkit.store.day import Step, day
from labkit.store.shop import Event, Shop, StepRefusedError

log = logging.getLogger("labkit")

MAX_RUNNING = 4
MAX_REMEMBERED = 32

State = Literal["running", "finished", "cancelled", "failed"]

_STEPS = {"joined": Shop.join, "looked_around": Shop.look_around, "served": Shop.serve, "left": Shop.leave}


class TooManySimulationsError(Exception):
    """As many simulations run already as may run at a time."""


@dataclass(frozen=True)
class Plan:
    """A day (see `day.day`), and how many simulated seconds pass in a real one (`speed`)."""

    customers: int
    arrival_rate: float
    speed: float
    seed: int


class Simulation:
    """One day on its way. Its customers share the shop with everybody else's.

    The day does not depend on what happens in the shop. If somebody else took a customer's place (served them by
    hand, say), their step is refused: they notice, the rest of their visit does not happen, and `missed` counts
    every step that is lost that way.
    """

    def __init__(self, plan: Plan, shop: Shop) -> None:
        self.id, self.plan, self._shop = token_hex(4), plan, shop
        self.state: State = "running"
        self.events: Counter[Event] = Counter()
        self.missed = 0
        self.simulated_seconds = 0.0
        self._turned_away: set[int] = set()

    async def live(self) -> None:
        """Live the day to its end, or until cancelled. What goes wrong is logged and shows in `state`."""
        try:
            await self._live()
        except asyncio.CancelledError:
            self.state = "cancelled"
            raise
        except Exception:
            self.state = "failed"
            log.exception("Simulation %s failed.", self.id)
        else:
            self.state = "finished"

    async def _live(self) -> None:
        clock = asyncio.get_running_loop().time
        opened, plan = clock(), self.plan
        for step in day(plan.customers, plan.arrival_rate, plan.seed):
            # Also when the step is already due: between two steps everybody else has their turn.
            await asyncio.sleep(max(0.0, opened + step.at / plan.speed - clock()))
            self._take(step)

    def _take(self, step: Step) -> None:
        self.simulated_seconds = step.at
        if step.customer in self._turned_away:
            self.missed += 1
            return
        try:
            _STEPS[step.event](self._shop)
        except StepRefusedError:
            self._turned_away.add(step.customer)
            self.missed += 1
        else:
            self.events[step.event] += 1


class Simulations:
    """The simulations of one shop: at most `MAX_RUNNING` at a time, the newest `MAX_REMEMBERED` remembered."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._known: dict[str, Simulation] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def __iter__(self) -> Iterator[Simulation]:
        return iter(self._known.values())

    def start(self, plan: Plan) -> Simulation:
        """Start to live a day.

        Raises:
            TooManySimulationsError: enough of them are running.
        """
        if len(self._tasks) >= MAX_RUNNING:
            raise TooManySimulationsError(f"{MAX_RUNNING} simulations are running; wait for one to finish.")
        simulation = Simulation(plan, self._shop)
        self._known[simulation.id] = simulation
        task = asyncio.create_task(simulation.live(), name=f"simulation-{simulation.id}")
        self._tasks[simulation.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(simulation.id))
        self._forget_oldest()
        return simulation

    def get(self, simulation_id: str) -> Simulation | None:
        """Return a simulation, unless it is unknown or forgotten."""
        return self._known.get(simulation_id)

    async def stop(self) -> None:
        """Cancel what runs, and return when it has ended."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget_oldest(self) -> None:
        finished = [known for known in self._known if known not in self._tasks]
        for simulation_id in finished[: max(0, len(self._known) - MAX_REMEMBERED)]:
            del self._known[simulation_id]
