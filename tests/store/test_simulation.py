"""Days, lived in the shop."""

import asyncio
from collections import Counter
from collections.abc import Callable
from time import perf_counter

import pytest

from labkit.store.day import day
from labkit.store.shop import Event, Shop
from labkit.store.simulation import MAX_REMEMBERED, MAX_RUNNING, Plan, Simulation, Simulations, TooManySimulationsError

FAST = Plan(customers=20, arrival_rate=0.5, speed=10_000, seed=5)
ENDLESS = Plan(customers=10, arrival_rate=0.001, speed=0.1, seed=5)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)


def test_a_day_happens_in_the_shop() -> None:
    """All steps of the day happen, in its order, and the report says so."""
    heard: list[Event] = []
    simulation = Simulation(FAST, Shop(lambda event, _: heard.append(event)))
    asyncio.run(simulation.live())
    steps = list(day(20, 0.5, seed=5))
    assert heard == [step.event for step in steps]
    assert simulation.events == Counter(heard)
    assert (simulation.state, simulation.missed) == ("finished", 0)
    assert simulation.simulated_seconds == steps[-1].at


def test_a_day_has_a_speed() -> None:
    """A day of so many simulated seconds takes these, divided by the speed."""
    *_, last = day(20, 0.5, seed=5)
    plan = Plan(20, 0.5, speed=last.at / 0.3, seed=5)
    started = perf_counter()
    asyncio.run(Simulation(plan, Shop()).live())
    assert 0.3 <= perf_counter() - started < 2


def test_everybody_else_has_their_turn() -> None:
    """Also when all is due at once, the event loop goes round between any two steps."""

    async def turns_during(simulation: Simulation) -> int:
        task, turns = asyncio.create_task(simulation.live()), 0
        while not task.done():
            await asyncio.sleep(0)
            turns += 1
        return turns

    plan = Plan(2000, 100, 1e9, 1)
    assert asyncio.run(turns_during(Simulation(plan, Shop()))) >= len(list(day(2000, 100, 1)))


def test_who_was_served_by_hand_is_missed_once() -> None:
    """A simulated customer who was served by hand notices, and nobody is served twice."""

    async def serve_by_hand() -> tuple[Simulation, Shop]:
        shop = Shop()
        simulation = Simulation(Plan(1, 100, speed=50, seed=2), shop)
        task = asyncio.create_task(simulation.live())
        await until(lambda: shop.counts.active == 1)
        shop.serve()
        await task
        return simulation, shop

    simulation, shop = asyncio.run(serve_by_hand())
    assert (simulation.state, simulation.missed) == ("finished", 1)
    assert (shop.counts.served, shop.counts.active, simulation.events["served"]) == (1, 0, 0)


def test_who_lost_their_place_takes_nobody_elses() -> None:
    """The rest of a visit does not happen when a step of it was refused: who was there before is still there."""
    shop = Shop()
    shop.join()
    shop.look_around()
    simulation = Simulation(FAST, shop)
    for step in day(3, 100, seed=2):
        if step.event == "looked_around" and shop.counts.waiting:
            shop.leave()
        simulation._take(step)
    assert simulation.missed == 6
    assert (shop.counts.waiting, shop.counts.active, shop.counts.served) == (0, 1, 0)


def test_so_many_at_a_time() -> None:
    """One more than may run is refused; stopping cancels those that run, and says so."""

    async def start_all() -> list[Simulation]:
        simulations = Simulations(Shop())
        started = [simulations.start(ENDLESS) for _ in range(MAX_RUNNING)]
        with pytest.raises(TooManySimulationsError, match="wait for one"):
            simulations.start(ENDLESS)
        await asyncio.sleep(0)
        await simulations.stop()
        return started

    assert [simulation.state for simulation in asyncio.run(start_all())] == ["cancelled"] * MAX_RUNNING


def test_so_many_are_remembered() -> None:
    """The oldest finished simulations are forgotten, the newest ones are known."""

    async def run_one(simulations: Simulations) -> str:
        simulation = simulations.start(Plan(1, 100, 1e9, 1))
        await until(lambda: simulation.state == "finished")
        return simulation.id

    async def run_many() -> tuple[list[str], list[str]]:
        simulations = Simulations(Shop())
        started = [await run_one(simulations) for _ in range(MAX_REMEMBERED + 5)]
        return started, [simulation.id for simulation in simulations]

    started, known = asyncio.run(run_many())
    assert known == started[-MAX_REMEMBERED:]


def test_a_failure_is_told() -> None:
    """What goes wrong inside a simulation shows in its state, and ends it."""

    def broken(_: Event, __: object) -> None:
        raise ZeroDivisionError

    simulation = Simulation(FAST, Shop(broken))
    asyncio.run(simulation.live())
    assert simulation.state == "failed"
