"""The manual's examples are run, one after another, as a reader would."""

import re
from doctest import ELLIPSIS, OutputChecker

from labkit.notebook.magics.magics import LabkitMagics
from tests import ROOT
from tests.notebook.magics.session import Session

MANUAL = (ROOT / "docs" / "magics.md").read_text(encoding="utf-8")
# A cell, and below it what it shows, if the page says so.
EXAMPLE = re.compile(r"^```python\n(.*?)\n```\n(?:\n```text\n(.*?)\n```)?", re.MULTILINE | re.DOTALL)


def test_each_example_does_what_the_page_says(session: Session, empty_home: object) -> None:
    """No cell fails but those whose message is shown, and what is shown is what they say."""
    examples = EXAMPLE.findall(MANUAL)
    assert len(examples) == MANUAL.count("```python")
    for cell, shown in examples:
        ran = session.run(cell)
        assert ran.failed is shown.startswith("UsageError"), f"{cell}\n{ran.said}"
        said = ran.said if ran.failed else repr(ran.value)
        assert not shown or OutputChecker().check_output(f"{shown}\n", f"{said.rstrip()}\n", ELLIPSIS), said


def test_the_options_are_those_of_the_magic() -> None:
    """The page's table has each option of %%promql, and no other."""
    documented = set(re.findall(r"^\| `(--[a-z]+)", MANUAL, re.MULTILINE))
    assert documented == set(re.findall(r"--[a-z]+", LabkitMagics.promql.parser.format_usage()))
