"""The lab that a magic asks; if it is not this notebook's own, that is said once."""

from labkit.stack import Stack
from labkit.stack.session import session
from labkit.ui.terminal import say

_said: set[tuple[str, float]] = set()


def current_lab() -> Stack:
    """Return the lab to ask, as `Stack.attach` does.

    Raises:
        StackError: there is none.
    """
    stack, me = Stack.attach(), session()
    lab = (stack.name, stack.started)
    if me.kernel and stack.owner != me.owner and lab not in _said:
        _said.add(lab)
        say(f"This notebook has started no lab, so this asks {stack.name!r}, which was started last ({stack.starter}).")
    return stack
