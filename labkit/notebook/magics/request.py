"""One request to the lab's Redis, from a person who waits: a command or a script, and its reply in time.

Redis answers nobody while a script runs, so one that takes too long, or whose cell is interrupted, is ended.
"""

from collections.abc import Callable, Sequence
from threading import Event

import redis

from labkit.errors import QueryError
from labkit.keyspace.connection import connect
from labkit.notebook.magics import deadline as limit
from labkit.notebook.magics.deadline import Deadline
from labkit.notebook.magics.reply import Reply, annotated

# Seconds of the limit that are kept to end a script.
_RESERVED = 0.5
# Only when a script has run this long does Redis hear anybody who wants to end it (busy-reply-threshold).
_BUSY_AFTER = 5.0


def send(url: str, words: Sequence[str]) -> Reply:
    """Return Redis' reply to one command.

    Raises:
        QueryError: Redis refused it, or did not reply in time.
    """

    def sent(client: redis.Redis) -> object:
        # As Redis says it: without what the client makes of some replies.
        client.response_callbacks.clear()
        return client.execute_command(*words)

    return _replied(url, sent, str)


def evaluate(url: str, script: str, keys: Sequence[str], values: Sequence[str], *, write: bool) -> Reply:
    """Return the reply of a script, which may only read unless `write` is true.

    Raises:
        QueryError: it failed, with the line marked, or did not end in time.
    """

    def sent(client: redis.Redis) -> object:
        run = client.eval if write else client.eval_ro
        return run(script, len(keys), *keys, *values)

    def explain(error: redis.RedisError) -> str:
        refused = "Write commands are not allowed" in str(error)
        return annotated(str(error), script) + ("\nTo let the script write: %%lua --write" if refused else "")

    return _replied(url, sent, explain)


def _replied(url: str, send: Callable[[redis.Redis], object], explain: Callable[[redis.RedisError], str]) -> Reply:
    deadline, sent = Deadline(limit.TIMEOUT), Event()
    try:
        return Reply(deadline.run(lambda: _asked(url, send, sent), reserve=_RESERVED))
    except KeyboardInterrupt:
        if sent.is_set():
            _end_script(url, _BUSY_AFTER + _RESERVED)
        raise
    except (TimeoutError, redis.TimeoutError):
        became = _end_script(url, _RESERVED) if sent.is_set() else f"{_PAUSED} Nothing was sent to it."
        raise QueryError(f"Redis did not reply within {deadline.elapsed:.0f} s. {became}") from None
    except redis.RedisError as error:
        raise QueryError(f"Redis: {explain(error)}") from None


def _asked(url: str, send: Callable[[redis.Redis], object], sent: Event) -> object:
    with connect(url, timeout=limit.TIMEOUT) as client:
        # So that nothing is left with a server that hangs, to be carried out when it goes on.
        client.ping()
        sent.set()
        return send(client)


def _end_script(url: str, timeout: float) -> str:
    """End the script that runs; return what became of it."""

    def end() -> None:
        with connect(url, timeout=timeout) as client:
            client.script_kill()

    try:
        Deadline(timeout).run(end)
    except redis.ResponseError as error:
        # It ended in the meantime, or it has written something, and Redis ends no such script.
        return str(error)
    except (TimeoutError, redis.RedisError):
        return f"{_PAUSED} What was sent may still be carried out when it goes on."
    return "The script was ended, so that Redis answers everybody else."


_PAUSED = "Is it paused? See `%lab status`."
