"""What a person at a terminal sees: in color there, plain in a pipe."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep

from labkit.ui.tables import LOOKS, Table


def show(table: Table) -> None:
    """Print a table; in a pipe, its rows, tab-separated."""
    if not sys.stdout.isatty():
        say("\n".join("\t".join(row) for row in table.rows))
        return
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(*table.heads)
    for row in table.rows:
        shown.add_row(*(Text(cell, style=LOOKS[cell].style if cell in LOOKS else "") for cell in row))
    Console().print(shown)


def say(text: str) -> None:
    """Print to stdout."""
    sys.stdout.write(f"{text}\n")


def note(text: str) -> None:
    """Print a remark to stderr, where it is in no program's way."""
    sys.stderr.write(f"{text}\n")


def print_error(text: str) -> None:
    """Print an error to stderr."""
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True, soft_wrap=True).print(Text.assemble(("error: ", "bold red"), text))


def announce(what: str) -> None:
    """Announce long work on stderr where no bar or spinner shows it: in a pipe."""
    if not sys.stderr.isatty():
        note(f"{what}…")


@contextmanager
def waiting(what: str) -> Iterator[Callable[[str], None]]:
    """Show that work is in progress; pass each long step to the function that this yields."""
    if not sys.stderr.isatty():
        yield lambda step: note(f"{step}…")
        return
    from rich.console import Console

    with Console(stderr=True).status(f"{what}…") as spinner:
        yield lambda step: spinner.update(f"{step}…")


def watch(path: Path) -> None:
    """Print what is appended to a file from now on, until interrupted."""
    with path.open(encoding="utf-8", errors="replace") as log:
        log.seek(0, 2)
        while True:
            sys.stdout.write(log.read())
            sys.stdout.flush()
            sleep(0.2)
