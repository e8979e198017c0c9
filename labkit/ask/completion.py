"""What may stand at the cursor of `%promql`, `%%promql` and `%lab`; names come from the lab's Prometheus.

IPython asks `Completion.match`, for its terminal and for JupyterLab's completer. Where no lab runs or Prometheus is
away, functions and options are still offered, and nobody waits: see `labkit.ask.catalogue`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from IPython.core.completer import (
    CompletionContext,
    SimpleCompletion,
    SimpleMatcherResult,
    completion_matcher,
)
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from labkit.ask.catalogue import Catalogue
from labkit.ask.magic_line import split
from labkit.ask.places import Place, find
from labkit.ask.promql import AGGREGATIONS, FUNCTIONS, KEYWORDS
from labkit.ask.template import REGEX, escaped, regex
from labkit.errors import LabkitError

IDENTIFIER = "labkit"
# Before Jedi, which knows only Python, and takes its time.
_PRIORITY = 100
_LINE = re.compile(r"^\s*(?:[\w.,\[\]'\" ]+=\s*)?%(promql|lab)\s(.*)$", re.DOTALL)
_CELL = re.compile(r"^\s*%%(promql|lua)\b")
_WINDOWS = ("5s", "10s", "20s", "30s", "1m", "5m", "15m", "1h")

# Each with its kind, which JupyterLab shows.
Names = list[tuple[str, str]]


class Completion:
    """What the magics of one shell may be completed with; `options` has those of each magic."""

    def __init__(self, shell: InteractiveShell, options: Mapping[str, Sequence[str]]) -> None:
        self._shell, self._options = shell, options
        self._catalogue: tuple[str, Catalogue] | None = None

    @completion_matcher(priority=_PRIORITY, identifier=IDENTIFIER, api_version=2)  # type: ignore[untyped-decorator]  # IPython's
    def match(self, context: CompletionContext) -> SimpleMatcherResult:
        """Return what may stand at the cursor; nothing outside of labkit's magics."""
        try:
            fragment, names = self._found(context)
        except UsageError:
            # A quote is open: nobody knows yet what this will be.
            fragment, names = "", []
        begins = [each for each in names if each[0].startswith(fragment)]
        contains = [each for each in names if fragment in each[0] and not each[0].startswith(fragment)]
        # What is there already keeps Python's own names, which only this may suppress, out of a query.
        found = begins + contains or _kind("text", filter(None, [fragment]))
        completions = [SimpleCompletion(text, type=kind) for text, kind in found][: context.limit]
        return {"completions": completions, "matched_fragment": fragment, "suppress": True, "ordered": True}

    def _found(self, context: CompletionContext) -> tuple[str, Names]:
        before = context.text_until_cursor
        if cell := _CELL.match(context.full_text):
            if context.cursor_line == 0:
                return self._option(cell[1], before)
            return self._query(*_below(context)) if cell[1] == "promql" else ("", [])
        line = _LINE.match(before)
        if not line:
            return "", []
        if line[1] == "lab":
            return _lab(line[2])
        query = split(line[2])[1]
        if line[2].split() and not query and not line[2].endswith(" "):
            return self._option("promql", before)
        return self._query(query, context.line_with_cursor[context.cursor_position :])

    def _option(self, magic: str, before: str) -> tuple[str, Names]:
        word = before.rpartition(" ")[2]
        return word, [(option, "option") for option in self._options[magic]] if word.startswith("-") else []

    def _query(self, before: str, after: str) -> tuple[str, Names]:
        place = find(before + after, len(before))
        return place.fragment, self._names(place)

    def _names(self, place: Place) -> Names:
        if place.kind == "nothing":
            return []
        if place.kind == "window":
            return _kind("duration", _WINDOWS)
        if place.kind == "variable":
            return _kind("variable", (name for name in self._shell.user_ns if not name.startswith("_")))
        catalogue = self._prometheus()
        if place.kind == "expression":
            known = _kind("metric", catalogue.metrics() if catalogue else ())
            return known + _kind("function", sorted((*AGGREGATIONS, *FUNCTIONS))) + _kind("keyword", sorted(KEYWORDS))
        if catalogue is None:
            return []
        return _values(catalogue, place) if place.kind == "value" else _labels(catalogue, place)

    def _prometheus(self) -> Catalogue | None:
        """The names of the Prometheus of the lab that runs now; nobody who types wants to hear that none does."""
        from labkit.stack import Stack

        try:
            stack = Stack.running()
        except LabkitError:
            return None
        if stack is None:
            return None
        url = stack.urls["prometheus"]
        if self._catalogue is None or self._catalogue[0] != url:
            self._catalogue = url, Catalogue(url)
        return self._catalogue[1]


def is_ours(matcher: object) -> bool:
    """Return whether a matcher of IPython's completer is labkit's."""
    return getattr(matcher, "matcher_identifier", None) == IDENTIFIER


def _below(context: CompletionContext) -> tuple[str, str]:
    """The query of a `%%promql` cell, before and after the cursor."""
    lines = context.full_text.split("\n")
    before = [*lines[1 : context.cursor_line], context.text_until_cursor]
    after = [context.line_with_cursor[context.cursor_position :], *lines[context.cursor_line + 1 :]]
    return "\n".join(before), "\n".join(after)


def _lab(words: str) -> tuple[str, Names]:
    from labkit.ask.lab_command import suggestions

    earlier, _, fragment = words.rpartition(" ")
    return fragment, _kind("option", suggestions(earlier.split()))


def _labels(catalogue: Catalogue, place: Place) -> Names:
    given = {matcher.label for selector in place.selectors for matcher in selector.matchers}
    found = [label for selector in place.selectors for label in catalogue.labels(str(selector))]
    taken = given if place.kind == "label" else set()
    return _kind("label", (label for label in dict.fromkeys(found or catalogue.labels()) if label not in taken))


def _values(catalogue: Catalogue, place: Place) -> Names:
    values = catalogue.values(place.label, str(place.selectors[0]))
    plain = [regex(value) for value in values] if place.operator in REGEX else values
    # Between ` and ` nothing is escaped, so that a value with a ` cannot stand there.
    return _kind("value", (escaped(value, place.quote) for value in plain if place.quote != "`" or "`" not in value))


def _kind(kind: str, names: Iterable[str]) -> Names:
    return [(name, kind) for name in names]
