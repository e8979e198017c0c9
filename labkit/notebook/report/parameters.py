"""The parameters of a notebook: what its cell tagged `parameters` declares, and whether values fit.

    rate: float = 20.0  # requests per second

A declaration has a type (if not, that of its default counts), a default and, as a comment, its meaning. Types are int,
float, bool, str, list, dict, `Literal[…]`, and any of these `| None`.
"""

import ast
import io
import json
import tokenize
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from math import isnan
from pathlib import Path
from typing import NoReturn

import nbformat

from labkit.errors import LabkitError

TAG = "parameters"
_SHOWN = 200
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_EXAMPLES = {
    "int": "a whole number such as 40", "float": "a number such as 2.5", "bool": "true or false",
    "list": "a list such as '[1, 2]'", "dict": "a dict such as '{\"a\": 1}', with text as keys",
}  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    """One declaration. `default` is the source of its value, `meaning` may be empty."""

    name: str
    type: str
    default: str
    meaning: str

    def value(self, text: str) -> object:
        """Return `text`, as it was typed on a command line, as a value of this type.

        Raises:
            LabkitError: it does not fit; the message says what is expected.
        """
        for type_ in _alternatives(ast.parse(self.type, mode="eval").body):
            try:
                return _convert(type_, text)
            except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):  # the last two: nested too deep
                continue
        shown = repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}…"
        raise LabkitError(f"{self.name} = {shown} does not fit: {self.name} is {self._expected()}. {self._about()}")

    def _expected(self) -> str:
        wanted = [_EXAMPLES.get(name, name) for name in self.type.split(" | ")]
        return f"{self.type}, {' or '.join(wanted)}" if wanted != [self.type] else f"of type {self.type}"

    def _about(self) -> str:
        return f"It means: {self.meaning}. Its default is {self.default}." if self.meaning else ""


def declared(notebook: Path) -> dict[str, Parameter]:
    """Return the parameters that a notebook declares, in its order; none if it has no such cell.

    Raises:
        LabkitError: the file is not a notebook.
    """
    try:
        cells = nbformat.read(notebook, as_version=4).cells
    except (OSError, ValueError, AttributeError, nbformat.ValidationError) as error:
        raise LabkitError(f"{notebook} cannot be read as a notebook: {error}") from None
    source = next((cell.source for cell in cells if TAG in cell.metadata.get("tags", ())), "")
    try:
        statements, meanings = ast.parse(source).body, _comments(source)
    except (SyntaxError, tokenize.TokenError) as error:
        raise LabkitError(
            f"{notebook}: the cell tagged {TAG} is not plain Python ({error}). Put magics into another cell."
        ) from None
    return {made.name: made for made in (_parameter(node, meanings) for node in statements) if made}


def checked(parameters: dict[str, Parameter], given: Iterable[tuple[str, str]]) -> dict[str, object]:
    """Return the values given as text, each as its type.

    Raises:
        LabkitError: unknown names and values that do not fit, all of them in one message.
    """
    values, wrong = {}, []
    for name, text in given:
        try:
            values[name] = _known(parameters, name).value(text)
        except LabkitError as error:
            wrong.append(str(error))
    if wrong:
        raise LabkitError("\n".join(wrong))
    return values


def _known(parameters: dict[str, Parameter], name: str) -> Parameter:
    if name in parameters:
        return parameters[name]
    near = get_close_matches(name, parameters, n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Its parameters: {', '.join(parameters) or 'none'}."
    raise LabkitError(f"The notebook has no parameter {name!r}. {hint}")


def _parameter(node: ast.stmt, meanings: dict[int, str]) -> Parameter | None:
    if not isinstance(node, ast.AnnAssign | ast.Assign) or node.value is None:
        return None
    target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
    type_ = ast.unparse(node.annotation) if isinstance(node, ast.AnnAssign) else _type_of(node.value)
    return Parameter(ast.unparse(target), type_, ast.unparse(node.value), meanings.get(node.end_lineno or 0, ""))


def _type_of(default: ast.expr) -> str:
    try:
        return type(ast.literal_eval(default)).__name__
    except ValueError:
        return "str"


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}


def _alternatives(annotation: ast.expr) -> list[ast.expr]:
    if isinstance(annotation, ast.BinOp):
        return _alternatives(annotation.left) + _alternatives(annotation.right)
    return [annotation]


def _convert(annotation: ast.expr, text: str) -> object:
    """Return `text` as a value of one type, or raise ValueError."""
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value).endswith("Literal"):
        choices = ast.literal_eval(annotation.slice)
        by_text = {str(choice): choice for choice in (choices if isinstance(choices, tuple) else (choices,))}
        return by_text[text] if text in by_text else _refuse(text)
    name = ast.unparse(annotation.value if isinstance(annotation, ast.Subscript) else annotation)
    simple: dict[str, Callable[[str], object]] = {
        "int": int,
        "float": _number,
        "bool": _truth,
        "str": _text,
        "None": _nothing,
    }
    if name in simple:
        return simple[name](text)
    value = ast.literal_eval(text)
    return value if type(value).__name__ == name and _travels(value) else _refuse(text)


def _travels(value: object) -> bool:
    """Whether a value is the same after its journey into the notebook, as JSON: lists, dicts with text as keys, …"""
    return bool(json.loads(json.dumps(value, ensure_ascii=False).encode()) == value)


def _text(text: str) -> str:
    # Bytes that are no UTF-8 arrive from a command line as what no file can hold.
    return text.encode().decode()


def _number(text: str) -> float:
    number = float(text)
    return _refuse(text) if isnan(number) else number


def _truth(text: str) -> bool:
    return _WORDS[text.lower()] if text.lower() in _WORDS else _refuse(text)


def _nothing(text: str) -> None:
    return None if text.lower() in ("none", "null", "") else _refuse(text)


def _refuse(text: str) -> NoReturn:
    raise ValueError(text)
