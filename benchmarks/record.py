"""What does recording cost? labkit beside its peers, in one run, each in a process of its own.

`python benchmarks/record.py` prints nanoseconds per call, and how many times labkit's that is. The sides take turns and
the best of many short rounds counts, because a machine is never quite idle. The second table adds what is done in the
background, by labkit's flush thread above all: processor time of the whole process. At the end all increments made are
compared with those that arrived, labkit's in the server; it fails if one of labkit's is missing.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from benchmarks._machine import describe, is_quick, table, valkey
from benchmarks._sides import SIDES
from benchmarks._stopwatch import THREADS, Contender

ROUNDS = 25
CALL = {
    "inc": "kept child inc()",
    "labels": "labels(k=v).inc()",
    "observe": "kept child observe(x)",
    "threads": f"inc() in {THREADS} threads",
}
PROCESSOR = {"inc_processor": "inc()", "observe_processor": "observe(x)"}
GOALS = """\
Goals: prometheus_client's inc and labels(k=v).inc() at least 5 times labkit's, observe 10 times; the peers with
Redis at least 500 times. Not one increment missing."""

Costs = Mapping[str, Mapping[str, float]]


def best(contenders: Sequence[Contender], rounds: int) -> Costs:
    """Return the best of several rounds for each side and each way to record, in nanoseconds."""
    costs: dict[str, dict[str, float]] = {contender.name: {} for contender in contenders}
    # They have made nothing yet; but once all have said so, all have started.
    assert not sum(contender.measure("made") for contender in contenders)
    for _ in range(rounds):
        for what in (*CALL, *PROCESSOR):
            for contender in contenders:
                cost = contender.measure(what)
                costs[contender.name][what] = min(cost, costs[contender.name].get(what, cost))
    return costs


def show(title: str, columns: Mapping[str, str], costs: Costs) -> None:
    """Print a table: a row for each side, and beside each cost how many times labkit's it is."""
    ours = next(iter(costs.values()))
    rows = [[name, *(_cell(side[what], ours[what]) for what in columns)] for name, side in costs.items()]
    print(table([title, *columns.values()], rows))


def _cell(cost: float, ours: float) -> str:
    ratio = cost / ours
    return f"{cost:,.0f}" if ratio == 1 else f"{cost:,.0f} ({ratio:,.{0 if ratio >= 100 else 1}f}×)"


def show_missing(contenders: Sequence[Contender]) -> None:
    """Print how many increments each side made and how many did not arrive.

    Raises:
        SystemExit: one of labkit's is missing.
    """
    found = {contender.name: (contender.measure("made"), contender.measure("missing")) for contender in contenders}
    rows = [[name, f"{made:,.0f}", f"{missing:,.0f} missing"] for name, (made, missing) in found.items()]
    print(table(["increments, from one thread and from eight", "made", "arrived"], rows))
    if found["labkit"][1]:
        raise SystemExit(f"labkit: {found['labkit'][1]:,.0f} increments did not arrive.")


def main() -> None:
    """Measure all sides and print the tables."""
    quick = is_quick(__doc__, "one short round")
    with valkey() as server, ExitStack() as stack:
        print(describe(server, *dict.fromkeys(side.package for side in SIDES[1:])))
        calls = [max(THREADS, side.calls // (10 if quick else 1)) for side in SIDES]
        contenders = [stack.enter_context(Contender(side, server.url, n)) for side, n in zip(SIDES, calls, strict=True)]
        costs = best(contenders, 1 if quick else ROUNDS)
        show("ns per call", CALL, costs)
        show("processor time, background included, ns per call", PROCESSOR, costs)
        show_missing(contenders)
    print(GOALS)


if __name__ == "__main__":
    main()
