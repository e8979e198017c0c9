"""The commands of the lab: start it, look at it, use it, end it."""

import json
from collections.abc import Iterable
from dataclasses import asdict, fields
from inspect import Parameter, Signature
from time import localtime, strftime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from labkit.stack.options import Start, option
from labkit.ui.tables import Table
from labkit.ui.terminal import note, say, show, waiting, watch

if TYPE_CHECKING:
    from labkit.stack import ServiceStatus, Stack
    from labkit.stack.doctor import Finding

# `home` is LABKIT_HOME here, and `on_step` is for programs.
UP_OPTIONS = [field for field in fields(Start) if field.name not in ("home", "on_step")]


def described(name: str) -> Any:
    """Return how the command line shows an option of the lab."""
    field = option(name)
    words: dict[Any, str] = {float: "SECONDS", str | None: "NAME"}
    flag = [f"--{name}"] if field.type is bool else []
    meaning = field.metadata["meaning"]
    return typer.Option(*flag, metavar=words.get(field.type), help=f"{meaning[0].upper()}{meaning[1:]}.")


Name = Annotated[
    str | None, typer.Option(metavar="NAME", help="Name of the lab; by default the one that was started last.")
]
All = Annotated[bool, typer.Option("--all", help="Every lab of yours, whatever started it.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")]


def up(**options: Any) -> None:
    """Start the lab, and return when it answers.

    The lab is Redis, the store, the sidecar and Prometheus, each a process of its own on 127.0.0.1. One that already
    runs with the same options is left as it is; its dead or paused services are started. Programs missing on the
    machine are downloaded the first time, without root. The lab keeps running when the terminal is closed.

    \b
    labkit up --ports auto
    labkit up --scrape-interval 1 --flush-interval 1
    labkit up --ports auto --name second
    """
    from labkit.stack import Stack

    with waiting("Starting the lab") as tell:
        stack = Stack.up(**options, on_step=tell)
    show(stack.table())


# Typer and `%lab` read the options from the signature.
up.__annotations__ = {field.name: Annotated[field.type, described(field.name)] for field in UP_OPTIONS}
up.__signature__ = Signature(  # type: ignore[attr-defined]  # inspect reads it
    [
        Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=up.__annotations__[field.name])
        for field in UP_OPTIONS
    ]
)


def down(
    name: Name = None,
    every: All = False,
    keep_data: Annotated[
        bool, typer.Option("--keep-data", help="Keep what Redis and Prometheus hold for the next `up`.")
    ] = False,
) -> None:
    """Stop a lab and leave nothing behind.

    Ends every process, even after a crash or a killed kernel, and removes sockets, files and data. Safe to repeat.

    \b
    labkit down
    labkit down --name 00-start-here
    labkit down --all
    """
    from labkit.stack import Stack

    ended = Stack.clear_all(keep_data=keep_data) if every else [Stack.clear(name=name, keep_data=keep_data)]
    say(ended_labs([lab for lab in ended if lab]))
    if left := [stack.name for stack in Stack.all()]:
        note(f"Still there: {', '.join(left)}. To end them all: labkit down --all")


def ended_labs(names: list[str]) -> str:
    """Return what to say of the labs that were ended."""
    if not names:
        return "No lab was running."
    return f"The lab {names[0]!r} is down." if len(names) == 1 else f"The labs {', '.join(names)} are down."


def status(name: Name = None, every: All = False, as_json: Json = False) -> None:
    """Show each service's state and URL.

    Exit code 1 unless every service answers.

    \b
    labkit status --all
    labkit status --json | python -c 'import json, sys; print(json.load(sys.stdin)["services"]["store"]["url"])'
    """
    from labkit.stack import Stack
    from labkit.stack.lab import services_table

    if every:
        _show_all(Stack.all(), as_json=as_json)
        return
    stack = Stack.running(name=name)
    rows = stack.status() if stack else []
    if as_json:
        say(json.dumps(_described(stack, rows), indent=2))
    elif stack:
        _say_which(stack, name)
        show(services_table(rows))
    else:
        say("No lab runs. Start one with: labkit up" if name is None else f"No lab {name} runs.")
    if not rows or any(row.state != "answering" for row in rows):
        raise typer.Exit(1)


def logs(
    service: Annotated[
        str, typer.Argument(metavar="SERVICE", help="redis, store, sidecar, prometheus, or supervisord.")
    ],
    name: Name = None,
    lines: Annotated[int, typer.Option("-n", "--lines", min=1, help="Number of lines, from the end.")] = 50,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Keep printing until Ctrl-C.")] = False,
) -> None:
    """Print a service's log.

    Works even after it died or failed to start.

    \b
    labkit logs store -n 20
    labkit logs prometheus -f
    """
    from labkit.stack.logs import log_of, tail

    path = log_of(service, name=name)
    if text := tail(path, lines):
        say(text)
    if follow:
        watch(path)


def traffic(
    rate: Annotated[float, typer.Option(metavar="R", help="Requests per second.")] = 20.0,
    duration: Annotated[float, typer.Option(metavar="SECONDS", help="Duration of the traffic.")] = 30.0,
    shape: Annotated[
        Literal["steady", "ramp", "spike"], typer.Option(help="How the rate changes over time.")
    ] = "steady",
    name: Name = None,
    url: Annotated[str | None, typer.Option(metavar="URL", help="URL of a store; by default the lab's.")] = None,
) -> None:
    """Send customers through the store.

    Locust sends them; a summary is printed at the end.

    \b
    labkit traffic --rate 50 --duration 60 --shape spike
    labkit traffic --url http://127.0.0.1:5050
    """
    from labkit.traffic.run import drive

    result = drive(url or _store_of(name), rate=rate, duration=duration, shape=shape)
    show(Table(("what", "measured"), [(what, f"{value:g}") for what, value in asdict(result).items()]))


def doctor() -> None:
    """Check what is installed and what is missing.

    Packages, programs, ports, the lab and Redis: what was found, where, and what to do about the rest. Changes
    nothing. Exit code 1 if something is missing that the lab cannot get by itself.
    """
    from labkit.stack.doctor import examine

    findings = examine()
    show(findings_table(findings))
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(1)


def commands(**options: Any) -> typer.Typer:
    """Return a command line that has these commands; the options are those of `typer.Typer`."""
    app = typer.Typer(
        **options,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )
    for command in (up, down, status, logs, traffic, doctor):
        app.command()(command)
    return app


def findings_table(findings: Iterable["Finding"]) -> Table:
    """Return what `labkit doctor` found."""
    return Table(("what", "state", "found"), [(found.what, found.state, found.detail) for found in findings])


def labs_table(stacks: Iterable["Stack"]) -> Table:
    """Return a row for each lab: its name, how it is, since when, and who started it."""
    rows = [(lab.name, lab.state(), strftime("%H:%M:%S", localtime(lab.started)), lab.starter) for lab in stacks]
    return Table(("lab", "state", "since", "started by"), rows)


def _show_all(stacks: list["Stack"], *, as_json: bool) -> None:
    if as_json:
        say(json.dumps([_described(stack, stack.look()) for stack in stacks], indent=2))
    elif stacks:
        show(labs_table(stacks))
    else:
        say("No lab runs. Start one with: labkit up")
    if not stacks or any(stack.state() != "answering" for stack in stacks):
        raise typer.Exit(1)


def _described(stack: "Stack | None", rows: list["ServiceStatus"]) -> dict[str, Any]:
    services = {row.service: asdict(row) for row in rows}
    options = asdict(stack.options) if stack else {}
    return {"running": stack is not None, "lab": stack.name if stack else "", "options": options, "services": services}


def _say_which(stack: "Stack", name: str | None) -> None:
    """Where there are several, and none was named."""
    others = [other.name for other in type(stack).all(stack.home) if other.name != stack.name]
    if others and name is None:
        note(f"The lab {stack.name!r}. Others: {', '.join(others)}; see one with --name, or --all.")


def _store_of(name: str | None) -> str:
    from labkit.stack import Stack

    stack = Stack.attach(name=name)
    _say_which(stack, name)
    return stack.urls["store"]
