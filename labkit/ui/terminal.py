"""What a person at a terminal sees: in color there, plain in a pipe."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep

COLOURS = {"answering": "green", "ok": "green", "silent": "yellow", "paused": "yellow", "warning": "yellow"}


def table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Print a table; in a pipe, tab-separated lines."""
    if not sys.stdout.isatty():
        say("\n".join("\t".join(row) for row in rows))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*heads)
    for row in rows:
        table.add_row(
            *(Text(cell, style=COLOURS.get(cell, "red" if cell in ("dead", "missing") else "")) for cell in row)
        )
    Console().print(table)


def say(text: str) -> None:
    """Print to stdout."""
    sys.stdout.write(f"{text}\n")


def note(text: str) -> None:
    """Print a remark to stderr, where it is in no program's way."""
    sys.stderr.write(f"{text}\n")


def complain(text: str) -> None:
    """Print an error to stderr."""
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True, soft_wrap=True).print(Text.assemble(("error: ", "bold red"), text))


def begins(what: str) -> None:
    """Announce long work on stderr where no bar or spinner shows it: in a pipe."""
    if not sys.stderr.isatty():
        print(f"{what}…", file=sys.stderr, flush=True)  # noqa: T201  plain, for logs


@contextmanager
def waiting(what: str) -> Iterator[Callable[[str], None]]:
    """Show that work is in progress; pass each long step to the function that this yields."""
    if not sys.stderr.isatty():
        yield lambda step: print(f"{step}…", file=sys.stderr)  # noqa: T201  plain, for logs
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
