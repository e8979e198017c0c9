"""PromQL as far as asking needs it: its tokens, its selectors, and its words. Prometheus itself judges a query.

The text may be unfinished, because people are typing it, and may hold `{{name}}`: `labkit.notebook.magics.template`.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_WORDS = re.compile(r"\w+")
AGGREGATIONS = tuple(_WORDS.findall("avg bottomk count count_values group max min quantile stddev stdvar sum topk"))
FUNCTIONS = tuple(
    _WORDS.findall("""
    abs absent absent_over_time acos acosh asin asinh atan atanh avg_over_time ceil changes clamp clamp_max
    clamp_min cos cosh count_over_time day_of_month day_of_week day_of_year days_in_month deg delta deriv exp
    floor histogram_count histogram_fraction histogram_quantile histogram_sum hour idelta increase irate
    label_join label_replace last_over_time ln log10 log2 max_over_time min_over_time minute month pi
    predict_linear present_over_time quantile_over_time rad rate resets round scalar sgn sin sinh sort sort_desc
    sqrt stddev_over_time stdvar_over_time sum_over_time tan tanh time timestamp vector year
    """)
)
# Each is followed by labels in brackets.
GROUPING = ("by", "without", "on", "ignoring", "group_left", "group_right")
KEYWORDS = (*GROUPING, "and", "atan2", "bool", "offset", "or", "unless", "inf", "nan", "start", "end")
OPERATORS = ("=", "!=", "=~", "!~")

_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)
    |(?P<string>"(?:\\.|[^"\\])*(?:"|\\?\Z)|'(?:\\.|[^'\\])*(?:'|\\?\Z)|`[^`]*(?:`|\Z))
    |(?P<variable>\{\{\s*\w+\s*\}\})
    |(?P<number>0x[\da-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[\da-z]*)
    |(?P<word>[a-zA-Z_:][\w:]*)
    |(?P<sign>=~|!~|[=!<>]=|[^\s])""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Token:
    """A piece of a query: `kind` is comment, string, variable, number, word or sign; `start` is where it stands."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(frozen=True)
class Matcher:
    """One condition on a label, as in `event="joined"`; `value` is without its quotes."""

    label: str
    operator: str
    value: str

    def __str__(self) -> str:
        return f"{self.label}{self.operator}{json.dumps(self.value, ensure_ascii=False)}"


@dataclass(frozen=True)
class Selector:
    """The series a part of a query asks for: `metric{matchers}[window]`; metric and window may be empty."""

    metric: str
    matchers: tuple[Matcher, ...] = ()
    window: str = ""

    def __str__(self) -> str:
        return f"{self.metric}{{{', '.join(map(str, self.matchers))}}}" if self.matchers else self.metric


def tokens(text: str) -> list[Token]:
    """Return the tokens of a query, without the space between them. An unfinished string reaches to the end."""
    return [Token(match.lastgroup or "", match[0], match.start()) for match in _TOKEN.finditer(text)]


def unquoted(literal: str) -> str:
    """Return what a string token says, also if its closing quote is not written yet."""
    quote, body = literal[0], literal[1:].removesuffix(literal[0])
    if quote == "`":
        return body
    if quote == "'":
        body = body.replace("\\'", "'").replace('"', '\\"')
    try:
        return str(json.loads(f'"{body}"', strict=False))
    except ValueError:
        # An escape that JSON does not know, or half of one.
        return body


def selectors(text: str) -> list[Selector]:
    """Return the selectors of a query in their order, each once."""
    found = dict.fromkeys(_selectors([token for token in tokens(text) if token.kind != "comment"]))
    return list(found)


def _selectors(pieces: Sequence[Token]) -> Iterator[Selector]:
    index = 0
    while index < len(pieces):
        piece, following = pieces[index], pieces[index + 1].text if index + 1 < len(pieces) else ""
        if piece.kind == "word" and piece.text.lower() in GROUPING and following == "(":
            index = _closing(pieces, index + 1, ")")
        elif piece.text == "{" or is_metric(piece, following):
            selector, index = _selector(pieces, index)
            yield selector
        index += 1


def is_metric(piece: Token, following: str) -> bool:
    """Return whether a word, given what follows it, is the name of a metric."""
    return piece.kind == "word" and following != "(" and piece.text.lower() not in {*AGGREGATIONS, *KEYWORDS}


def _selector(pieces: Sequence[Token], index: int) -> tuple[Selector, int]:
    """Read a selector that begins at `index`; return it and the index of its last token."""
    metric = ""
    if pieces[index].text != "{":
        metric, index = pieces[index].text, index + 1
    within, index = _group(pieces, index, "{}")
    window, index = _group(pieces, index, "[]")
    matchers = list(_matchers(within))
    names = [each for each in matchers if each.label == "__name__" and each.operator == "="]
    kept = tuple(each for each in matchers if each not in names)
    until = "".join(piece.text for piece in window).partition(":")[0]
    return Selector(names[0].value if names else metric, kept, until), index - 1


def _group(pieces: Sequence[Token], index: int, brackets: str) -> tuple[Sequence[Token], int]:
    """The tokens between two brackets, and the index behind them; nothing if none opens here."""
    if index >= len(pieces) or pieces[index].text != brackets[0]:
        return (), index
    end = _closing(pieces, index, brackets[1])
    return pieces[index + 1 : end], end + 1


def _matchers(pieces: Sequence[Token]) -> Iterator[Matcher]:
    for label, operator, value in zip(pieces, pieces[1:], pieces[2:], strict=False):
        if label.kind == "word" and operator.text in OPERATORS and value.kind == "string":
            yield Matcher(label.text, operator.text, unquoted(value.text))


def _closing(pieces: Sequence[Token], index: int, bracket: str) -> int:
    """The index of the next closing bracket, or that behind the last token."""
    indexes = (each for each in range(index, len(pieces)) if pieces[each].text == bracket)
    return next(indexes, len(pieces))
