"""`%lab`, the command line in a notebook: its commands and options, read by itself; results as tables."""

from collections.abc import Callable, Sequence
from typing import Any, get_args, get_type_hints

import typer
from IPython.core.error import UsageError

from labkit.commands import lab
from labkit.ui.tables import Html
from labkit.ui.terminal import say

Options = dict[str, Any]

# Those that write a log.
_SERVICES = ("redis", "store", "sidecar", "prometheus", "supervisord")
# Click's own, wherever this Typer keeps it.
_WRONG_USAGE: Any = typer.BadParameter.__bases__
_GROUP: Any = typer.main.get_command(lab.commands())


def run(words: Sequence[str]) -> Html | None:
    """Run one command of the lab and return what to show.

    Raises:
        UsageError: there is no such command or option.
        LabkitError: the command failed.
    """
    if not words or words[0] not in _COMMANDS:
        raise UsageError(f"Write %lab {'|'.join(_COMMANDS)}; `%lab up --help` says what a command takes.")
    options = _read(*words)
    return None if options is None else _COMMANDS[words[0]](options)


def _read(name: str, *words: str) -> Options | None:
    """The options of a command as its function takes them; None if only its help was wanted."""
    try:
        options: Options = _command(name).make_context(f"%lab {name}", list(words)).params
    except typer.Exit:
        return None
    except _WRONG_USAGE as error:
        raise UsageError(f"%lab {name}: {error.format_message()}") from None
    return options


def suggestions(words: Sequence[str]) -> list[str]:
    """Return what may follow these words of a command: commands, options, the values of one, services."""
    if not words:
        return list(_COMMANDS)
    if words[0] not in _COMMANDS:
        return []
    known = {option: parameter for parameter in _command(words[0]).params for option in parameter.opts}
    if words[-1] in known and (choices := _choices(words[0], known[words[-1]].name)):
        return choices
    return [*(_SERVICES if words == ["logs"] else ()), *(name for name in known if name.startswith("--")), "--help"]


def _command(name: str) -> Any:
    return _GROUP.commands[name]


def _choices(command: str, parameter: str) -> list[str]:
    """What a parameter may be, if it is one of a few words."""
    return [str(choice) for choice in get_args(get_type_hints(getattr(lab, command))[parameter])]


def _up(options: Options) -> Html:
    from labkit.stack import Stack

    return Stack.up(**options, on_step=lambda step: say(f"{step}…")).table()


def _down(options: Options) -> Html:
    from labkit.stack import Stack

    name, every, keep_data = options["name"], options["every"], options["keep_data"]
    if every:
        ended = Stack.clear_all(keep_data=keep_data)
    elif name:
        ended = [Stack.clear(name=name, keep_data=keep_data)]
    else:
        ended = _own_ended(keep_data=keep_data)
    said = lab.ended_labs([name for name in ended if name])
    return Html(said, said)


def _own_ended(*, keep_data: bool) -> list[str]:
    """End this notebook's lab: one that another started has to be named."""
    from labkit.stack import Stack

    stack = Stack.running()
    if stack:
        stack.down(keep_data=keep_data)
    return [stack.name] if stack else []


def _status(options: Options) -> Html | None:
    from labkit.stack import Stack

    if options["as_json"]:
        _printed(lab.status, options)
        return None
    if options["every"]:
        return lab.labs_table(Stack.all())
    stack = Stack.running(name=options["name"])
    said = "No lab runs. Start one: %lab up"
    return stack.table() if stack else Html(said, said)


def _logs(options: Options) -> None:
    _printed(lab.logs, options)


def _doctor(_: Options) -> Html:
    from labkit.stack.doctor import examine

    return lab.findings_table(examine())


def _printed(command: Callable[..., None], options: Options) -> None:
    try:
        command(**options)
    except (typer.Exit, KeyboardInterrupt):
        # An exit code means nothing here, and an interrupt is how people end `logs --follow`.
        return


_COMMANDS: dict[str, Callable[[Options], Html | None]] = {
    "up": _up,
    "down": _down,
    "status": _status,
    "logs": _logs,
    "doctor": _doctor,
}
