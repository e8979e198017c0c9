"""The progress of long work, for a person who watches: in a notebook that they run, or on a terminal.

Papermill, nbval and nbconvert run notebooks that nobody watches: there, nothing is shown, and outputs stay the same.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

_FORMAT = "{l_bar}{bar}| {elapsed}<{remaining}"


def watched() -> bool:
    """Return whether a person is watching what this process prints."""
    kernel = _kernel()
    if kernel is None:
        return sys.stderr is not None and sys.stderr.isatty()
    # Front ends for people let cells ask for input; programs that run notebooks do not.
    return bool(kernel._allow_stdin)


@contextmanager
def progress(what: str) -> Iterator[Callable[[float], object]]:
    """Show a bar during the block, which passes the share done, 0 to 1, to the function it gets.

    Nothing of it remains when the block ends.
    """
    if not watched():
        yield lambda _: None
        return
    with _widget(what) if _kernel() and _has_widgets() else _text(what) as bar:
        yield lambda share: bar.update(share - bar.n)


def _text(what: str) -> Any:
    from tqdm import tqdm

    return tqdm(total=1.0, desc=what, leave=False, bar_format=_FORMAT)


@contextmanager
def _widget(what: str) -> Iterator[Any]:
    from IPython.display import display
    from tqdm.notebook import tqdm

    with tqdm(total=1.0, desc=what, bar_format=_FORMAT, display=False) as bar:
        # Displayed by us, so that it can be removed: a saved notebook would look for a widget that is gone.
        shown = display(bar.container, display_id=True)
        try:
            yield bar
        finally:
            shown.update({}, raw=True)


def _has_widgets() -> bool:
    try:
        return find_spec("ipywidgets") is not None
    except ValueError:  # somebody took it out of sys.modules
        return False


def _kernel() -> Any:
    # A process that has not imported IPython does not run a notebook.
    ipython = sys.modules.get("IPython")
    return ipython and getattr(ipython.get_ipython(), "kernel", None)
