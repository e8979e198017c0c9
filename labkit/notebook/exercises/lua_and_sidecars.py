"""Notebook 03: a writer that meets a poisoned key, and numbers that Redis cuts."""

import json
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic, sleep
from typing import Any

import redis
from redis import Redis, ResponseError

from labkit.keyspace.keys import parse
from labkit.notebook.exercises.checks import Checks, exercise
from labkit.notebook.exercises.reading import NotAnAnswer, number, text
from labkit.notebook.exercises.verdict import Verdict, plain, right, wrong
from labkit.writer import REASONS

_DROPPED = "metrics:counter:labkit_writer_series_dropped_total:*"
_GOOD, _POISONED = "lab_events", "lab_poison"
_PATIENCE, _POLL = 8.0, 0.2
_LONG = "(0.1+0.2)"  # has 17 digits


class LuaAndSidecars(Checks):
    """The exercises of notebook 03."""

    notebook = "03-lua-and-the-sidecars"

    @exercise(
        "A writer in a `with`, as in section 3: two counters, one `inc()` each, then `metrics.flush()`.",
        f"Look at both keys: `%redis GET metrics:counter:{_POISONED}`, and that of `{_GOOD}` with its event.",
    )
    def written(self, answer: object) -> Verdict:
        """Which of the two counters was written?"""
        names = _names(answer)
        if not names:
            return wrong(f"The two are `{_GOOD}` and `{_POISONED}`; which of them was written?")
        if not self._reasons():
            return wrong(f"No writer has met a poisoned key yet. Is `{_POISONED}` still garbage, and did you flush?")
        if names == {_GOOD}:
            return right(f"`{_GOOD}` was written; the other key is as it was. What cannot be read costs only itself.")
        if names == {_POISONED}:
            return wrong(f"`{_POISONED}` still holds what somebody wrote there. Look at it with `%redis GET`.")
        return wrong("Not both: one of the keys still holds garbage. Look at them with `%redis GET`.")

    @exercise(
        "`metrics.stats()` says what became of every record, as in section 6 of notebook 01. What was not written, "
        "was `dropped`.",
        "`metrics.stats().dropped` has a number for each reason. Which is above 0? Ask before the writer is closed.",
    )
    def reason(self, answer: object) -> Verdict:
        """For what reason was the other one dropped?"""
        given = _reason(answer)
        if given in (_GOOD, _POISONED):
            return wrong(f"`{given}` is the name of a counter. For what *reason* was the one dropped?")
        if given == "skipped":
            return wrong("*Skipped* is what a reader does, the sidecar. The writer *drops*, and says why.")
        if given not in REASONS:
            return wrong(f"`{given}` is not a reason that `metrics.stats().dropped` knows.")
        if not (known := self._reasons()):
            return wrong(f"No writer has dropped anything yet. Is `{_POISONED}` still garbage, and did you flush?")
        if given in known:
            return right(f"`{given}`: the text is no JSON. The change is lost, and counted as lost.")
        return wrong(f"`{given}` is a reason, but for other faults. Which one does `dropped` count now?")

    @exercise(
        "What a script returns becomes a reply of Redis, and such a reply has no fractions: section 1.",
        "Try it: `server.eval('return 2.5', 0)`, or a cell with `%%lua`.",
    )
    def cut(self, answer: object) -> Verdict:
        """What does Redis make of `return 2.5`?"""
        found = number(answer)
        with self._redis() as server:
            reply = float(str(server.eval_ro("return 2.5", 0)))
        if found == reply:
            return right(f"{plain(found)}: without a word, Redis cuts a number to an integer.")
        if found == 2.5:
            return wrong("2.5 is what one would hope. Let Redis run it: `server.eval('return 2.5', 0)`.")
        if found == 3:
            return wrong("3 would be *rounded*. Redis does something simpler.")
        return wrong(f"{plain(found)} is not what Redis replies. Run it: `server.eval('return 2.5', 0)`.")

    @exercise(
        "Only text comes through as it is. `tostring(x)` makes text of a number in Lua.",
        "Your answer is the script, as text, and begins with `return`: `check.exact('return …')`.",
    )
    def exact(self, answer: object) -> Verdict:
        """Which script returns 2.5 so that nothing is lost?"""
        script = text(answer)
        if "return" not in script:
            raise NotAnAnswer(f"`{script}` returns nothing. The answer is the script: `'return …'`.")
        with self._redis() as server:
            try:
                reply, longer = server.eval_ro(script, 0), server.eval_ro(script.replace("2.5", _LONG), 0)
            except ResponseError as error:
                return wrong(f"Redis refuses this script: {error}")
            except redis.TimeoutError:
                self._end_script()
                return wrong("This script does not end by itself, and Redis answers nobody meanwhile. It was ended.")
        return _of_script(reply, longer)

    def _end_script(self) -> None:
        # It may have ended in this moment; then Redis says so, and that is well.
        with self._redis() as server, suppress(ResponseError):
            server.script_kill()

    def _reasons(self) -> set[str]:
        """Why writers dropped something; they say so when they flush the next time, at the latest at their end.

        Whoever has written nothing yet waits for it in vain, so it is asked last.
        """
        deadline = monotonic() + _PATIENCE
        with self._redis() as server:
            while not (found := _dropped(server)) and monotonic() < deadline:
                sleep(_POLL)
        return found


def _dropped(server: Redis) -> set[str]:
    keys = [key.decode() for key in server.scan_iter(_DROPPED, count=1_000)]
    held = {key: raw for key in keys if isinstance(raw := server.get(key), bytes)}
    return {parse(key)[2]["reason"] for key, raw in held.items() if json.loads(raw)["value"]}


def _names(answer: object) -> set[str]:
    """The names of counters that are meant: one, or several; of a key, its name."""
    several = answer if isinstance(answer, list | tuple | set) else [text(answer)]
    return {name for name in (_GOOD, _POISONED) for one in several if name in str(one)}


def _reason(answer: object) -> str:
    """The reason that is meant: of a whole mapping of reasons, the one with a number."""
    if isinstance(answer, Mapping):
        answer = [reason for reason, count in answer.items() if count]
        if not answer:
            raise NotAnAnswer("This writer has dropped nothing. Did it write into the poisoned key, and flush?")
    if isinstance(answer, int | float):
        raise NotAnAnswer(f"`{answer}` is how many. For which reason?")
    return text(answer)


def _of_script(reply: Any, longer: Any) -> Verdict:
    shown, longer = (part.decode() if isinstance(part, bytes) else part for part in (reply, longer))
    if isinstance(shown, int):
        return wrong(f"Redis replies {shown}, an integer: it was a number that was returned. Return text.")
    if shown != "2.5":
        return wrong(f"Redis replies `{shown!r}`, not `2.5`.")
    if longer in (_LONG, "2.5"):
        return wrong("This is a text that you wrote yourself. Let Lua make it, of the number 2.5.")
    if longer != repr(0.1 + 0.2):
        return right("Text comes through whole. `tostring` keeps 14 digits, the sidecars' script all 17.")
    return right("Text comes through whole, with all 17 digits that a number can have.")
