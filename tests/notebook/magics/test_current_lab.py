"""A notebook that started no lab is told, once, whose it asks."""

from labkit import Stack
from tests.kernel import Notebook


def test_a_lab_that_is_not_the_notebooks_own_is_named(lab: Stack) -> None:
    """At the first magic that asks it, and not again."""
    notebook = Notebook(lab.home)
    try:
        notebook.run("%load_ext labkit")
        said = [
            [
                message["content"].get("text", "")
                for message in notebook.end(notebook.begin("%redis GET greeting")).shown
            ]
            for _ in range(2)
        ]
    finally:
        notebook.close()
    told = f"This notebook has started no lab, so this asks {lab.name!r}, which was started last"
    assert [any(told in text for text in texts) for texts in said] == [True, False]
