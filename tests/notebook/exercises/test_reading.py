"""What is said of an answer that cannot be one: in a sentence, in one line, and whole."""

import pandas as pd
import plotly.graph_objects as go
import pytest

from labkit.notebook.exercises.reading import NotAnAnswer, number, text
from labkit.notebook.exercises.verdict import Verdict


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "It is `None`, nothing at all, as of a key or a row that is not there, or a call that returns nothing"),
        (len, "It is a function that was not called: `()` is missing"),
        (Verdict, "It is `Verdict` itself, a class"),
        ({}, "It is an empty mapping"),
        ({"value": 7}, "It is a whole mapping, of `value`"),
        (range(3), "It is `range(0, 3)`"),
        (go.Figure(), "It is a long `Figure`"),
        (10**400, "It is a long `int`"),
        ("143 customers", "It is `'143 customers'`"),
    ],
)
def test_what_is_no_number_is_named(answer: object, said: str) -> None:
    """By itself if it is short, else by what it is."""
    with pytest.raises(NotAnAnswer) as raised:
        number(answer)
    assert str(raised.value) == f"{said}; the answer is a number."


def test_what_is_no_text_is_named_as_well() -> None:
    """The sentence ends with what is asked for."""
    with pytest.raises(NotAnAnswer, match="It is a long `Figure`; the answer is a text"):
        text(go.Figure())


def test_a_row_without_the_column_says_which_is_missing() -> None:
    """One row is not several: what is wrong are its columns."""
    with pytest.raises(NotAnAnswer, match=r"a row of several columns; .* in a column `endpoint`"):
        text(pd.DataFrame({"metric": ["up"], "value": [1.0]}), "endpoint")
