"""Messages for the browser: everything at first, and then what is new."""

from typing import Any

from labkit.notebook.live.sources import Source

Message = dict[str, Any]


class UpdateStream:
    """What changed of a source since the last message. Not for several threads at a time."""

    def __init__(self, source: Source) -> None:
        self.source, self._number = source, 0

    def ask(self, now: float) -> None:
        """Learn what is new at `now`, in seconds since 1970. What is learnt before an error is not lost.

        Raises:
            QueryError: Prometheus refused a query, or did not answer.
            Exception: what a function that draws has raised.
        """
        for part in self.source.parts:
            part.ask(self.source.client, now)

    def change(self) -> Message | None:
        """Return what is new since the last message, None if nothing is."""
        changes = [part.change() for part in self.source.parts]
        parts = [{"part": place, **change} for place, change in enumerate(changes) if change]
        return self._numbered(parts) if parts else None

    def whole(self) -> Message:
        """Return everything that is known."""
        parts = [{"part": place, "figure": part.whole()} for place, part in enumerate(self.source.parts)]
        return self._numbered(parts) | {"whole": True}

    def _numbered(self, parts: list[Message]) -> Message:
        # By the numbers, a view sees that it missed something.
        self._number += 1
        return {"number": self._number, "parts": parts}
