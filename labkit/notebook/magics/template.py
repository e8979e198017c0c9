"""`{{name}}`, the only way for a variable of the notebook into a query. Nothing else is ever expanded.

    event="{{name}}"     the text, escaped for the string it stands in
    event={{name}}       a string literal, quotes included
    event=~"{{name}}"    the text itself, its regular-expression signs escaped; a list means any of its items
    [{{window}}]         a duration: "5m", a timedelta, or a number of seconds; also after `offset`
    … > {{limit}}        a number, bare; other text is a string literal
    @ {{moment}}         an aware datetime, or seconds since 1970

In a comment nothing is expanded.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from numbers import Real
from typing import TypeGuard

from labkit.errors import QueryError
from labkit.prometheus.promql import Token, tokens

VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
REGEX = ("=~", "!~")
_DURATION = re.compile(r"(?:\d+(?:ms|[smhdwy]))+")


def expand(promql: str, variables: Mapping[str, object]) -> str:
    """Return a query with each `{{name}}` replaced by the variable of that name, safely quoted for its place.

    Raises:
        QueryError: there is no such variable, or its value cannot stand in that place.
    """
    done, end, before, comparing = "", 0, "", ""
    for token in tokens(promql):
        comparing = before if before in REGEX else ""
        done += promql[end : token.start] + _expanded(token, before, comparing, variables)
        end = token.end
        # A comment, or the sign of an offset, stands between what belongs together.
        if token.kind != "comment" and not (before == "offset" and token.text == "-"):
            before = token.text.lower()
    return done + promql[end:]


def fill(text: str, variables: Mapping[str, object]) -> str:
    """Return one word of a command with each `{{name}}` replaced by the variable as plain text.

    Raises:
        QueryError: there is no such variable, or it is neither text, number nor duration.
    """
    return VARIABLE.sub(lambda match: _text(match[1], _value(match[1], variables)), text)


def _expanded(token: Token, before: str, comparing: str, variables: Mapping[str, object]) -> str:
    if token.kind == "string":
        return _in_string(token.text, comparing, variables)
    if token.kind == "variable":
        name = token.text.strip("{} \t\n")
        return _bare(name, _value(name, variables), before, comparing)
    return token.text


def _in_string(literal: str, comparing: str, variables: Mapping[str, object]) -> str:
    def one(match: re.Match[str]) -> str:
        value = _value(match[1], variables)
        return escaped(_pattern(match[1], value) if comparing else _text(match[1], value), literal[0])

    return VARIABLE.sub(one, literal)


def _bare(name: str, value: object, before: str, comparing: str) -> str:
    if before in {"[", "offset", ":"}:
        return _duration(name, value)
    if comparing or before in {"=", "!="} or isinstance(value, str):
        return _literal(_pattern(name, value) if comparing else _text(name, value))
    number = _text(name, value)
    return f"({number})" if number.startswith("-") else number


def _value(name: str, variables: Mapping[str, object]) -> object:
    if name not in variables:
        raise QueryError(f"{{{{{name}}}}}: the notebook has no variable {name!r}. Give it a value in a cell above.")
    return variables[name]


def _text(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, timedelta):
        return _milliseconds(value.total_seconds())
    if isinstance(value, datetime) and value.tzinfo:
        return repr(value.timestamp())
    if _is_number(value):
        return str(value) if isinstance(value, int) else repr(float(value))
    raise QueryError(
        f"{{{{{name}}}}} is {_shown(value)}. A query takes text, a number, a timedelta, a datetime with a time zone, "
        'or, after =~ and !~, a list of texts: event=~"{{names}}".'
    )


def _pattern(name: str, value: object) -> str:
    if isinstance(value, list | tuple | set | frozenset):
        if not value:
            raise QueryError(f"{{{{{name}}}}} is empty, and would match series without the label.")
        return f"(?:{'|'.join(regex(_text(name, each)) for each in value)})"
    return regex(_text(name, value))


def regex(text: str) -> str:
    """Return a regular expression that matches this text and no other."""
    return re.sub(r"[\\.+*?()|\[\]{}^$]", r"\\\g<0>", text)


def _duration(name: str, value: object) -> str:
    if isinstance(value, timedelta) or (isinstance(value, str) and _DURATION.fullmatch(value)):
        return _text(name, value)
    if _is_number(value) and 0 < float(value) < float("inf"):
        return _milliseconds(float(value))
    raise QueryError(f"{{{{{name}}}}} is {_shown(value)}, and a duration is needed: '5m', a timedelta, or seconds.")


def _is_number(value: object) -> TypeGuard[Real]:
    return isinstance(value, Real) and not isinstance(value, bool)


def _milliseconds(seconds: float) -> str:
    return f"{round(seconds)}s" if seconds == round(seconds) else f"{round(seconds * 1000)}ms"


def _shown(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) < 60 else text[:57] + '…'}"


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def escaped(text: str, quote: str) -> str:
    """Return a text as it is written between two of these quotes.

    Raises:
        QueryError: the quote is `, between which nothing can be escaped, and the text has one.
    """
    if quote != "`":
        body = _literal(text)[1:-1]
        return body if quote == '"' else body.replace('\\"', '"').replace("'", "\\'")
    if "`" in text:
        raise QueryError("A text with ` in it cannot stand between ` and `; put the string between double quotes.")
    return text
