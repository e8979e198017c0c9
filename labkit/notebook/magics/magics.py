"""The magics of a notebook, `%load_ext labkit`. They read a line, and pass it to public functions.

    %lab up|down|status|logs|doctor     the lab, with the options of the command line
    %promql EXPR, %%promql              ask Prometheus: a table or a figure, see labkit.notebook.magics.result
    %redis COMMAND                      ask Redis
    %%lua                               run a script in Redis, read-only unless told otherwise

Only magics raise UsageError: a message without a traceback.
"""
# IPython's decorators have no annotations.
# mypy: disable-error-code="untyped-decorator"

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, line_cell_magic, line_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments
from IPython.display import display

from labkit.errors import LabkitError
from labkit.notebook.magics import deadline
from labkit.notebook.magics.arguments import parse_time, require_known, split_options, split_words
from labkit.notebook.magics.completion import Completion, is_ours
from labkit.notebook.magics.deadline import Deadline
from labkit.notebook.magics.scope import caller_scope

if TYPE_CHECKING:
    from labkit.notebook.magics.reply import Reply
    from labkit.notebook.magics.result import Result
    from labkit.stack import Stack
    from labkit.ui.tables import Html

# They would wait for ever, or change how the connection talks.
_REFUSED = ("MONITOR", "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "HELLO", "MULTI", "CLIENT", "SYNC", "PSYNC")


@magics_class
class LabkitMagics(Magics):
    """The magics of labkit, for one shell."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._shell = shell

    @line_magic
    @no_var_expand
    def lab(self, line: str) -> "Html | None":
        """Start, look at and end the lab: `%lab up|down|status|logs|doctor`; `%lab up --help` has its options."""
        from labkit.notebook.magics.lab_command import run

        with _explained():
            words = split_words(line)
            # The other commands wait for services, and say themselves how long.
            return Deadline(deadline.TIMEOUT).run(lambda: run(words)) if words[:1] == ["status"] else run(words)

    @no_var_expand
    @magic_arguments()
    @argument("--last", metavar="TIME", help="look back over this time, such as 5m: a figure over time")
    @argument("--step", metavar="TIME", help="the time between two values; by default, for about 250 of them")
    @argument("--at", metavar="TIME", help="2026-01-01T12:00:00 (UTC), seconds since 1970, or -5m: five minutes ago")
    @argument("--to", metavar="NAME", help="keep the result in this variable")
    @argument("--title", default="", help="the figure's title; the query by default")
    @argument("--unit", default="", help="unit of the values: ms, s, %%, events/s, …")
    @argument("--table", action="store_const", const=False, dest="plot", help="show a table")
    @argument("--plot", action="store_true", default=None, dest="plot", help="show a figure")
    @line_cell_magic
    def promql(self, line: str, cell: str | None = None) -> "Result":
        """Ask Prometheus: `%promql EXPR`, or the query as the cell below `%%promql`. Options before it or after."""
        with _explained():
            options, query = split_options(line, OPTIONS["promql"])
            if cell is not None:
                if query:
                    raise UsageError(f"{query!r} stands beside %%promql; the query is the cell, below it.")
                more, query = split_options(cell, OPTIONS["promql"])
                options += more
            result = self._ask(options, query)
            result.ask(deadline.TIMEOUT)  # here, so that a refusal is told without a traceback
        # A figure has the query as its title, and no place for more.
        if result.plots and len(result) and str(result.remarks):
            display(result.remarks)
        return result

    @no_var_expand
    @magic_arguments()
    @argument("--keys", nargs="*", default=[], metavar="KEY", help="KEYS[1] and so on; {{name}} is a variable")
    @argument("--args", nargs="*", default=[], metavar="ARG", help="ARGV[1] and so on; {{name}} is a variable")
    @argument("--write", action="store_true", help="let the script write; otherwise Redis refuses it (EVAL_RO)")
    @cell_magic
    def lua(self, line: str, cell: str) -> "Reply":
        """Run the cell as a script in the lab's Redis. Its text is sent as it stands; variables come by --args."""
        from labkit.notebook.magics import request

        with _explained():
            # IPython's own reading of the line would keep the quotes around a word.
            words = split_words(line)
            require_known(words, OPTIONS["lua"], "%%lua")
            options = self.lua.parser.parse_args(words)
            keys, values = self._filled(options.keys), self._filled(options.args)
            return request.evaluate(_stack().urls["redis"], cell, keys, values, write=options.write)

    @no_var_expand
    @line_magic
    def redis(self, line: str) -> "Reply":
        """Send one command to the lab's Redis: `%redis GET metrics:counter:…`; `{{name}}` is a variable."""
        from labkit.notebook.magics import request

        with _explained():
            words = self._filled(split_words(line))
            if not words or words[0].strip().upper() in _REFUSED:
                raise UsageError(f"%redis takes one command with one reply, such as `%redis DBSIZE`, not {line!r}.")
            return request.send(_stack().urls["redis"], words)

    def _ask(self, words: Sequence[str], promql: str) -> "Result":
        from labkit.notebook.magics.result import Result
        from labkit.notebook.magics.template import expand
        from labkit.prometheus.query import Prometheus

        require_known(words, OPTIONS["promql"], "%promql")
        options: dict[str, Any] = vars(self.promql.parser.parse_args(self._filled(words)))
        if not promql.strip():
            raise UsageError("There is no query. Write it into the cell below %%promql, or as `%promql EXPR`.")
        name, at = options.pop("to"), options.pop("at")
        if name is not None and not name.isidentifier():
            raise UsageError(f"--to {name}: this cannot be the name of a variable.")
        expanded = expand(promql, caller_scope(self._shell.user_ns))
        prometheus = Prometheus(_stack().urls["prometheus"], timeout=deadline.TIMEOUT)
        result = Result(prometheus, expanded, at=parse_time(at) if at else None, **options)
        if name is not None:
            self._shell.user_ns[name] = result
        return result

    def _filled(self, words: Sequence[str]) -> list[str]:
        from labkit.notebook.magics.template import fill

        variables = caller_scope(self._shell.user_ns)
        return [fill(word, variables) for word in words]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Add the magics, and the completion of queries, to a shell; called by `%load_ext labkit`. Twice does no harm."""
    unload_ipython_extension(shell)
    shell.register_magics(LabkitMagics)
    shell.Completer.custom_matchers.append(Completion(shell, OPTIONS).match)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Remove the magics and their completion; called by `%unload_ext labkit`."""
    for kind, names in (("line", ("lab", "promql", "redis")), ("cell", ("promql", "lua"))):
        for name in names:
            shell.magics_manager.magics[kind].pop(name, None)
    shell.Completer.custom_matchers[:] = [each for each in shell.Completer.custom_matchers if not is_ours(each)]


# The options of each magic that has any, as its own help says.
OPTIONS = {
    name: re.findall(r"--[a-z]+", getattr(LabkitMagics, name).parser.format_usage()) for name in ("promql", "lua")
}


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except LabkitError as error:
        raise UsageError(str(error)) from None
    except TimeoutError:
        raise UsageError(f"The lab's supervisor did not answer within {deadline.TIMEOUT:g} s.") from None


def _stack() -> "Stack":
    from labkit.notebook.magics.current_lab import current_lab

    return current_lab()
