"""What others can make the sidecar say in its log: a line of each kind a minute, however often they do it."""

import logging

EVERY = 60.0  # s
# No client can think of more kinds than this at a time; what else it says counts as one.
KINDS = 100


def limit_log() -> None:
    """Bound what the HTTP server and the event loop say about clients."""
    for name in ("uvicorn.error", "asyncio"):
        logging.getLogger(name).addFilter(_FILTER)


class OncePerMinute(logging.Filter):
    """Lets one record of each kind through a minute; the next one says how many it stands for.

    Of one kind are those that begin with the same line and carry the same class of exception.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kinds: dict[tuple[str, object], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind: tuple[str, object] = (str(record.msg).partition("\n")[0], (record.exc_info or [None])[0])
        if kind not in self._kinds and len(self._kinds) >= KINDS:
            kind = ("", None)
        last, unsaid = self._kinds.get(kind, (-EVERY, 0))
        if record.created < last + EVERY:
            self._kinds[kind] = (last, unsaid + 1)
            return False
        self._kinds[kind] = (record.created, 0)
        if unsaid:
            record.msg = f"{record.msg} ({unsaid} more like this one since the last)"
        return True


_FILTER = OncePerMinute()
