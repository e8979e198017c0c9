"""A verdict looks the same in a notebook and in a terminal."""

from labkit.notebook.exercises.verdict import box, code


def test_code_and_stress_are_marked_and_nothing_else_is_html() -> None:
    """What a student wrote, and what Prometheus says, is shown as it is; stars in code stress nothing."""
    shown = box(False, "143 is how many were *served*, not `100 * sum(a) * 2` <b>", "")
    assert "<em>served</em>" in shown._repr_html_()
    assert "<code>100 &#42; sum(a) &#42; 2</code> &lt;b&gt;" in shown._repr_html_()
    assert repr(shown) == "✘ 143 is how many were *served*, not `100 * sum(a) * 2` <b>"


def test_a_solution_is_shown_as_it_is() -> None:
    """To be read and copied."""
    assert "a &lt; b" in code("a < b")._repr_html_()
    assert repr(code("a < b")) == "a < b"
