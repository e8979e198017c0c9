"""What may stand at the cursor of a magic, and of `labkit.live("…")`; names come from the lab's Prometheus and Redis.

IPython asks `Completion.match`, for its terminal and for JupyterLab's completer. Where no lab runs or Prometheus is
away, functions and options are still offered, without a wait: see `labkit.prometheus.metadata`.
"""

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import TypeVar

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, completion_matcher
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from labkit.errors import LabkitError
from labkit.notebook.magics.arguments import split_options
from labkit.notebook.magics.cursor_context import VARIABLE_TYPED, CursorContext, cursor_context
from labkit.notebook.magics.redis_names import RedisNames
from labkit.notebook.magics.template import REGEX, escaped, regex
from labkit.prometheus.metadata import Metadata
from labkit.prometheus.promql import AGGREGATIONS, FUNCTIONS, KEYWORDS

IDENTIFIER = "labkit"
# Before Jedi, which knows only Python, and takes its time.
_PRIORITY = 100
_LINE = re.compile(r"^\s*(?:[\w.,\[\]'\" ]+=\s*)?%(promql|lab|redis)\s(.*)$", re.DOTALL)
_CELL = re.compile(r"^\s*%%(promql|lua)\b")
_CALL = re.compile(r"""([\w.]+)\(\s*[rRfF]{0,2}(\"{3}|'{3}|"|')((?:\\.|(?!\2).)*)$""", re.DOTALL)
_ASKS = ("query", "query_range", "wait_until")
_DURATIONS = ("--last", "--step")
_WINDOWS = ("5s", "10s", "20s", "30s", "1m", "5m", "15m", "1h")

T = TypeVar("T")
# Each with its kind, which JupyterLab shows.
Names = list[tuple[str, str]]


class Completion:
    """What the magics of one shell may be completed with; `options` has those of each magic."""

    def __init__(self, shell: InteractiveShell, options: Mapping[str, Sequence[str]]) -> None:
        self._shell, self._options = shell, options
        # One each, as long as it is the same lab.
        self._metadata, self._redis_names = lru_cache(1)(Metadata), lru_cache(1)(RedisNames)

    @completion_matcher(priority=_PRIORITY, identifier=IDENTIFIER, api_version=2)  # type: ignore[untyped-decorator]  # IPython's
    def match(self, context: CompletionContext) -> SimpleMatcherResult:
        """Return what may stand at the cursor; nothing outside of labkit's magics."""
        try:
            fragment, names = self._found(context)
        except UsageError:
            # A quote is open: what follows may be anything.
            fragment, names = "", []
        begins = [each for each in names if each[0].startswith(fragment)]
        contains = [each for each in names if fragment in each[0] and not each[0].startswith(fragment)]
        # What is there already keeps Python's own names, which only this may suppress, out of a query.
        found = begins + contains or _kind("text", filter(None, [fragment]))
        completions = [SimpleCompletion(text, type=kind) for text, kind in found][: context.limit]
        return {"completions": completions, "matched_fragment": fragment, "suppress": True, "ordered": True}

    def _found(self, context: CompletionContext) -> tuple[str, Names]:
        before, after = context.text_until_cursor, context.line_with_cursor[context.cursor_position :]
        if cell := _CELL.match(context.full_text):
            if context.cursor_line == 0:
                return self._option(cell[1], before) or ("", [])
            return self._promql(*_below(context)) if cell[1] == "promql" else ("", [])
        if line := _LINE.match(before):
            magic, typed = line.groups()
            if magic == "lab":
                return _lab(typed)
            return self._redis(typed) if magic == "redis" else self._promql(typed, after)
        typed_in = _query_in_python(
            "\n".join([*context.full_text.split("\n")[: context.cursor_line], before]), self._shell.user_ns
        )
        return self._in_python(*typed_in) if typed_in else ("", [])

    def _promql(self, before: str, after: str) -> tuple[str, Names]:
        """Options stand before a query or after it."""
        query = split_options(before, self._options["promql"])[1]
        word = _word(before)
        is_after = word.startswith("--") and cursor_context(before, len(before) - len(word)).kind == "expression"
        if (is_after or not query or not word) and (found := self._option("promql", before)):
            return found
        return self._query(query, after)

    def _option(self, magic: str, before: str) -> tuple[str, Names] | None:
        """What may stand at the end of a line of options: an option, or a value of the one before."""
        word = _word(before)
        given = before[: len(before) - len(word)].split()[-1:]
        if word.startswith("-"):
            return word, _kind("option", self._options[magic])
        if variable := VARIABLE_TYPED.search(before):
            return variable[1], self._variables()
        if given == ["--keys"]:
            return word, self._keys(word)
        return (word, _kind("duration", _WINDOWS)) if given and given[0] in _DURATIONS else None

    def _redis(self, before: str) -> tuple[str, Names]:
        """A command, then its keys."""
        word = _word(before)
        if variable := VARIABLE_TYPED.search(before):
            return variable[1], self._variables()
        if before.split()[:-1] or (before.split() and not word):
            return word, self._keys(word)
        names = known.commands() if (known := _of_the_lab("redis", self._redis_names)) else []
        return word, _kind("command", names if word.islower() else map(str.upper, names))

    def _in_python(self, quote: str, typed: str) -> tuple[str, Names]:
        """PromQL in a string of Python; what could not stand between its quotes is left out."""
        fragment, names = self._query(typed.replace(f"\\{quote[0]}", quote[0]), "")
        return fragment, [(name, kind) for name, kind in names if quote[0] not in name and "\\" not in name]

    def _query(self, before: str, after: str) -> tuple[str, Names]:
        context = cursor_context(before + after, len(before))
        return context.fragment, self._names(context)

    def _names(self, context: CursorContext) -> Names:
        if context.kind == "nothing":
            return []
        if context.kind == "window":
            return _kind("duration", _WINDOWS)
        if context.kind == "variable":
            return self._variables()
        metadata = _of_the_lab("prometheus", self._metadata)
        if context.kind == "expression":
            known = _kind("metric", metadata.metrics() if metadata else ())
            return known + _kind("function", sorted((*AGGREGATIONS, *FUNCTIONS))) + _kind("keyword", sorted(KEYWORDS))
        if metadata is None:
            return []
        return _values(metadata, context) if context.kind == "value" else _labels(metadata, context)

    def _variables(self) -> Names:
        return _kind("variable", (name for name in self._shell.user_ns if not name.startswith("_")))

    def _keys(self, part: str) -> Names:
        known = _of_the_lab("redis", self._redis_names)
        return _kind("key", map(shlex.quote, known.keys(part)) if known else ())


def is_ours(matcher: object) -> bool:
    """Return whether a matcher of IPython's completer is labkit's."""
    return getattr(matcher, "matcher_identifier", None) == IDENTIFIER


def _of_the_lab(service: str, names_at: Callable[[str], T]) -> T | None:
    """The names that a service of the lab knows; None without a lab, because an error would disturb typing."""
    from labkit.stack import Stack

    with suppress(LabkitError):
        if stack := Stack.running():
            return names_at(stack.urls[service])
    return None


def _query_in_python(before: str, variables: Mapping[str, object]) -> tuple[str, str] | None:
    """The quote and the beginning of a query that is being typed as `live("…`, or as `prometheus.query("…`."""
    call = _CALL.search(before)
    if not call:
        return None
    name, _, method = call[1].rpartition(".")
    is_live = method == "live" and name in {"", "labkit"}
    # Data frames have a method `query`, too.
    if is_live or (method in _ASKS and type(variables.get(name)).__name__ == "Prometheus"):
        return call[2], call[3]
    return None


def _word(before: str) -> str:
    return re.split(r"\s", before)[-1]


def _below(context: CompletionContext) -> tuple[str, str]:
    """The query of a `%%promql` cell, before and after the cursor."""
    lines = context.full_text.split("\n")
    before = [*lines[1 : context.cursor_line], context.text_until_cursor]
    after = [context.line_with_cursor[context.cursor_position :], *lines[context.cursor_line + 1 :]]
    return "\n".join(before), "\n".join(after)


def _lab(words: str) -> tuple[str, Names]:
    from labkit.notebook.magics.lab_command import suggestions

    earlier, _, fragment = words.rpartition(" ")
    return fragment, _kind("option", suggestions(earlier.split()))


def _labels(metadata: Metadata, context: CursorContext) -> Names:
    given = {matcher.label for selector in context.selectors for matcher in selector.matchers}
    found = [label for selector in context.selectors for label in metadata.labels(str(selector))]
    taken = given if context.kind == "label" else set()
    return _kind("label", (label for label in dict.fromkeys(found or metadata.labels()) if label not in taken))


def _values(metadata: Metadata, context: CursorContext) -> Names:
    values = metadata.values(context.label, str(context.selectors[0]))
    plain = [regex(value) for value in values] if context.operator in REGEX else values
    # Between ` and ` nothing is escaped, so that a value with a ` cannot stand there.
    return _kind(
        "value", (escaped(value, context.quote) for value in plain if context.quote != "`" or "`" not in value)
    )


def _kind(kind: str, names: Iterable[str]) -> Names:
    return [(name, kind) for name in names]
