"""`%lab`, the command line in a notebook: its commands and options, read by itself; results as tables."""

from collections.abc import Callable, Sequence
from contextlib import suppress
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
    return None if options is None else _COMMANDS[words[0]](**options)


def _read(name: str, *words: str) -> Options | None:
    """The options of a command as its function takes them; None if only its help was wanted."""
    try:
        options: Options = _GROUP.commands[name].make_context(f"%lab {name}", list(words)).params
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
    known = {option: parameter for parameter in _GROUP.commands[words[0]].params for option in parameter.opts}
    if words[-1] in known:
        type_ = get_type_hints(getattr(lab, words[0]))[known[words[-1]].name]
        if choices := [choice for choice in get_args(type_) if isinstance(choice, str)]:  # one of a few words
            return choices
    return [*(_SERVICES if words == ["logs"] else ()), *(name for name in known if name.startswith("--")), "--help"]


def _up(**options: Any) -> Html:
    from labkit.stack import Stack

    return Stack.up(**options, on_step=lambda step: say(f"{step}…")).table()


def _down(*, name: str | None, every: bool, keep_data: bool) -> Html:
    from labkit.stack import Stack

    if every:
        ended = Stack.clear_all(keep_data=keep_data)
    elif name:
        ended = [Stack.clear(name=name, keep_data=keep_data)]
    elif stack := Stack.running():  # this notebook's: a lab that another started has to be named
        stack.down(keep_data=keep_data)
        ended = [stack.name]
    else:
        ended = []
    said = lab.ended_labs([name for name in ended if name])
    return Html(said, said)


def _status(*, name: str | None, every: bool, as_json: bool) -> Html | None:
    from labkit.stack import Stack

    if as_json:
        with suppress(typer.Exit):  # an exit code means nothing here
            lab.status(name, every, as_json)
        return None
    if every:
        return lab.labs_table(Stack.all())
    stack = Stack.running(name=name)
    said = "No lab runs. Start one: %lab up"
    return stack.table() if stack else Html(said, said)


def _logs(**options: Any) -> None:
    with suppress(typer.Exit, KeyboardInterrupt):  # an interrupt is how people end `logs --follow`
        lab.logs(**options)


def _doctor() -> Html:
    from labkit.stack.doctor import examine

    return lab.findings_table(examine())


_COMMANDS: dict[str, Callable[..., Html | None]] = {
    "up": _up, "down": _down, "status": _status, "logs": _logs, "doctor": _doctor,
}  # fmt: skip
