"""A shell as a notebook has it: run a cell, see what it says; type, see what is offered."""

from dataclasses import dataclass
from typing import Any

from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output


@dataclass
class Ran:
    """What a cell gave: its value, and what was printed, errors too."""

    value: Any
    said: str
    failed: bool


class Session:
    """One shell of IPython."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell

    def run(self, cell: str) -> Ran:
        with capture_output() as captured:
            done = self.shell.run_cell(cell)
        return Ran(done.result, captured.stdout + captured.stderr, not done.success)

    def offered(self, typed: str) -> list[str]:
        """What may stand at the `¦` of a cell."""
        before, _, after = typed.partition("¦")
        with provisionalcompleter():
            return [each.text for each in self.shell.Completer.completions(before + after, len(before))]
