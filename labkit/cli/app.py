"""The command line: parse, delegate, and show the result."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from labkit.commands.lab import commands, described
from labkit.errors import LabkitError
from labkit.keyspace.connection import DEFAULT_URL, redact
from labkit.stack.options import Options
from labkit.ui.tables import Table
from labkit.ui.terminal import announce, print_error, say, show

app = commands(
    name="labkit",
    help="A metrics pipeline to see, measure and break: record, batch, Redis, Lua, exposition, Prometheus, query, plot."
    "\n\n\b\nlabkit up                                     start the lab"
    "\nlabkit traffic --rate 50 --duration 20        send customers through the store"
    "\nlabkit status                                 see what runs, and where"
    "\nlabkit down                                   stop it, and leave nothing behind"
    "\n\nEach notebook has a lab of its own, and so has the terminal; where none is named, the one that was started"
    " last is meant. Set LABKIT_HOME to keep labs in another folder than your home, and LABKIT_CACHE to keep"
    " downloaded programs elsewhere.",
    no_args_is_help=True,
)


def _keep_secret(context: typer.Context, url: str) -> str:
    """Refuse a password in an option: everybody can read it in the list of processes."""
    source = context.get_parameter_source("redis")
    if source and source.name == "COMMANDLINE" and "***" in redact(url):
        raise typer.BadParameter(
            f"{redact(url)!r} contains, or may contain, a password, and everybody can read the list of processes. "
            "Put the URL in LABKIT_REDIS_URL, or the password in LABKIT_REDIS_PASSWORD."
        )
    return url


RedisUrl = Annotated[
    str,
    typer.Option(
        "--redis",
        envvar="LABKIT_REDIS_URL",
        metavar="URL",
        callback=_keep_secret,
        help="URL of Redis or Valkey. Put a password in the variable, or in LABKIT_REDIS_PASSWORD.",
    ),
]
Prefix = Annotated[str, typer.Option(help="Prefix of every key in Redis.")]


@app.command()
def exporter(
    redis: RedisUrl = DEFAULT_URL,
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Address to listen on.")] = "127.0.0.1:9121",
    prefix: Prefix = "metrics",
    web_config: Annotated[
        Path | None,
        typer.Option(
            "--web.config.file",
            metavar="FILE",
            help="TLS, users and tokens, in the format that all Prometheus exporters read.",
        ),
    ] = None,
) -> None:
    """Run labkit's sidecar.

    GET /metrics shows Prometheus what the writers left in Redis. SIGHUP: reload the script and the web configuration.

    \b
    labkit exporter --redis redis://127.0.0.1:6379/0 --listen 127.0.0.1:9121
    labkit exporter --listen 0.0.0.0:9121 --web.config.file web.yml
    """
    from labkit.sidecar.app import serve

    host, port = _address(listen)
    serve(redis, host, port, prefix=prefix, web_config=web_config)


@app.command()
def store(
    redis: RedisUrl = DEFAULT_URL,
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Address to listen on.")] = "127.0.0.1:5050",
    flush_interval: Annotated[float, described("flush_interval")] = Options.flush_interval,
    ttl: Annotated[float, described("ttl")] = Options.ttl,
    prefix: Prefix = "metrics",
) -> None:
    """Run the example store.

    Its API is documented under /docs; what happens in it is recorded in Redis.

    \b
    labkit store --redis redis://127.0.0.1:6379/0 --listen 127.0.0.1:5050 --flush-interval 1
    """
    from labkit.store.app import serve

    host, port = _address(listen)
    serve(redis, host, port, flush_interval=flush_interval, ttl=ttl, prefix=prefix)


@app.command()
def demo(
    quick: Annotated[bool, typer.Option("--quick", help="Send less traffic.")] = False,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where to write the page and the table.")] = Path("out"),
) -> None:
    """Run the whole pipeline once.

    Sends real traffic, shows the store's ledger beside what Prometheus holds, and leaves a page with the plots,
    out/demo.html. Exit code 1 if a number differs.
    """
    from labkit.cli.demo import run as run_demo

    announce("Running the demo (about half a minute)")
    raise typer.Exit(run_demo(quick=quick, out=out))


@app.command()
def lab(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where to put the course.")] = Path(
        "labkit-course"
    ),
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of JupyterLab; by default 8888, or the next free one.")
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser on it.")] = True,
) -> None:
    """Open JupyterLab on the first notebook of the course.

    Copies the course into a folder, by default ./labkit-course: notebooks, and the pages they lead to. Files that are
    there already stay as they are. Kernels have labkit's magics. Ends with Ctrl-C.

    \b
    labkit lab
    labkit lab ~/metrics --no-browser --port 8889
    """
    from labkit.notebook import course, jupyter

    _tell(course.write_course(folder), "course", folder)
    jupyter.exec_jupyterlab(folder, port=port, browser=browser)


@app.command()
def example(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where to put it.")] = Path("labkit-example"),
) -> None:
    """Write an example: tests of an application and of a notebook, on a real lab.

    By default into ./labkit-example. Files that are there already stay as they are. `pytest` in that folder runs it.

    \b
    labkit example && cd labkit-example && pytest
    """
    from labkit.notebook.course import write_example

    _tell(write_example(folder), "example", folder)


@app.command()
def course(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="What others exported: one row for each.")
    ] = None,
    status: Annotated[bool, typer.Option("--status", help="Show each exercise, and how it went.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Export what you have solved, for a teacher.")] = False,
) -> None:
    """Show how far you have come in the course, or how far others have.

    Exercises count when a notebook's `check` says that an answer is right; its own solutions count for nobody.

    \b
    labkit course --status
    labkit course --json > ana.json
    labkit course ana.json ben.json
    """
    from labkit.notebook.exercises import status as progress

    if files:
        show(progress.people(files))
    elif as_json:
        say(progress.exported(progress.mine()))
    elif status:
        show(progress.exercises(progress.mine()))
    else:
        show(progress.notebooks(progress.mine()))


class _TakesPairs(TyperCommand):
    """A command whose option `-p` takes two words. Typer has no type for that: they travel as NAME=VALUE."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        joined, words = [], iter(args)
        for word in words:
            joined.append(word)
            if word in ("-p", "--parameter"):
                name, value = next(words, None), next(words, None)
                if value is None:
                    raise typer.BadParameter("-p needs two words: -p NAME VALUE")
                joined.append(f"{name}={value}")
        return super().parse_args(ctx, joined)


@app.command(cls=_TakesPairs)
def report(
    notebook: Annotated[str, typer.Argument(metavar="NOTEBOOK", help="A file, or one of labkit's own, such as 00.")],
    given: Annotated[
        list[str] | None,
        typer.Option("-p", "--parameter", metavar="NAME VALUE", help="Set a parameter; may be repeated."),
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="The page; by default out/NOTEBOOK.html.")] = None,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="How long one cell may take.")] = 600.0,
    parameters: Annotated[bool, typer.Option("--parameters", help="List the parameters, and run nothing.")] = False,
) -> None:
    """Run a notebook, and write a page that reads well without its code.

    The page needs no network. It begins with what cells tagged `findings` print, a sentence in each line, and goes
    on with the outputs of cells tagged `report`, or of all cells where none is; parameters, versions and machine are
    folded at its end. Values are checked against the notebook's declarations before anything runs. Exit code 1 if a
    cell fails; the page then has what came before.

    \b
    labkit report 00 -p rate 50 -p duration 10
    labkit report notebooks/04-query-and-plot.ipynb --output monday.html
    labkit report 00 --parameters
    """
    from labkit.notebook.report import report as reports
    from labkit.notebook.report.parameters import declared

    path = reports.find(notebook)
    if parameters:
        rows = [(one.name, one.type, one.default, one.meaning) for one in declared(path).values()]
        show(Table(("parameter", "type", "default", "meaning"), rows))
        return
    announce(f"Running {path.name}")
    pairs = [(name, value) for name, _, value in (pair.partition("=") for pair in given or ())]
    written = reports.run(path, pairs, output, timeout=timeout)
    say(f"The report: {written.output}")
    if written.failure:
        raise LabkitError(written.failure)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code.

    0: done. 1: an error, reported in one message on stderr, or a negative result (`status`, `doctor`, `demo`).
    2: wrong usage. 130: interrupted.
    """
    try:
        app(arguments, prog_name="labkit")
    except LabkitError as error:
        print_error(str(error))
        return 1
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    return 0


def _tell(changed: Sequence[Path], what: str, folder: Path) -> None:
    """Say where the copy of something is, and which files of it are not labkit's own."""
    say(f"The {what} is in {folder}.")
    if changed:
        names = ", ".join(str(path.relative_to(folder)) for path in changed)
        say(f"Changed since, or of another version, and left as they are: {names}.")


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise typer.BadParameter(
            f"{listen!r} is not a valid address; one looks like 127.0.0.1:9121.", param_hint="--listen"
        )
    return host.strip("[]"), int(port)
