"""Each line of flush.lua that carries a promise has a test that fails without it; `make mutants` tries them all."""

import re
import runpy
import subprocess
import sys

from tests import ROOT

SCRIPT = ROOT / "scripts" / "mutants.py"


def mutants(*arguments: str) -> str:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_every_line_is_there_once() -> None:
    """A mutant whose line has changed would change nothing, and survive for no reason."""
    text = (ROOT / "lua/flush.lua").read_text(encoding="utf-8")
    for mutant in runpy.run_path(str(SCRIPT))["MUTANTS"]:
        assert mutant.applied_to(text) != text


def test_the_protocol_shows_the_table() -> None:
    """docs/protocol.md lists the mutants that there are."""
    assert mutants("--table") in (ROOT / "docs/protocol.md").read_text(encoding="utf-8")


def test_a_mutant_is_killed() -> None:
    """The test named for the fence fails without it, in a copy of the tree."""
    said = mutants("at or below the fence")
    assert re.search(
        r"^killed +a batch at or below the fence is not applied\n1 of 1 mutants killed$", said, re.MULTILINE
    )
