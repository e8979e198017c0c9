"""The parameters of a notebook: what its cell tagged `parameters` declares, and whether values fit.

    rate: float = 20.0  # requests per second

A declaration has a type (if not, that of its default counts), a default and, as a comment, its meaning. Types are int,
float, bool, str, list, dict, `Literal[…]`, and any of these `| None`.
"""

import ast
import io
import json
import tokenize
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import nbformat
from pydantic import TypeAdapter

from labkit.errors import LabkitError

TAG = "parameters"
_SHOWN = 200
_TYPES: dict[str, Any] = {kind.__name__: kind for kind in (int, float, bool, str, list, dict)} | {"None": None}
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
        for annotation in _alternatives(ast.parse(self.type, mode="eval").body):
            # An unknown type is a KeyError; the last two are raised by what is nested too deep.
            with suppress(ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError):
                return _converted(annotation, text)
        about = f"It means: {self.meaning}. Its default is {self.default}." if self.meaning else ""
        shown = repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}…"
        raise LabkitError(f"{self.name} = {shown} does not fit: {self.name} is {self._expected()}. {about}")

    def _expected(self) -> str:
        wanted = [_EXAMPLES.get(name, name) for name in self.type.split(" | ")]
        return f"{self.type}, {' or '.join(wanted)}" if wanted != [self.type] else f"of type {self.type}"


Row = tuple[Parameter, str, bool]


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


def rows(parameters: dict[str, Parameter], given: dict[str, object]) -> list[Row]:
    """Return each parameter with its value, as it is shown, and whether that was given."""
    values = {name: repr(value) for name, value in given.items()}
    return [(item, values.get(name, item.default), name in given) for name, item in parameters.items()]


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


def _converted(annotation: ast.expr, text: str) -> object:
    """Return `text` as a value of one type, or raise ValueError: as the text that it is, or as a literal of Python."""
    adapter = TypeAdapter(_type(annotation))
    try:
        value = adapter.validate_python(text)
    except ValueError:
        read = None if text.lower() in ("none", "null", "") else ast.literal_eval(text)
        value = adapter.validate_python(read, strict=True)
    # It goes to the notebook as JSON, which knows no NaN, no tuple and no broken UTF-8.
    if json.loads(json.dumps(value, ensure_ascii=False).encode()) != value:
        raise ValueError(text)
    return value


def _type(annotation: ast.expr) -> Any:
    """Return the type that an annotation names; it is read, not run: listing parameters executes nothing."""
    match annotation:
        case ast.Subscript(value=ast.Name("Literal") | ast.Attribute(attr="Literal"), slice=choices):
            return Literal[ast.literal_eval(choices)]
        case ast.Subscript(value=holder, slice=ast.Tuple(inner)):
            return _type(holder)[tuple(map(_type, inner))]
        case ast.Subscript(value=holder, slice=inner):
            return _type(holder)[_type(inner)]
        case ast.BinOp(left=left, right=right):
            return _type(left) | _type(right)
    return _TYPES[ast.unparse(annotation)]
