"""How far long work is, for somebody who watches: in a notebook that a person runs, or on a terminal.

Papermill, nbval and nbconvert run notebooks that nobody watches: there, nothing is shown, and outputs stay the same.
"""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_FORMAT = "{l_bar}{bar}| {elapsed}<{remaining}"


def watched() -> bool:
    """Return whether a person looks at what this process prints now."""
    kernel = getattr(_shell(), "kernel", None)
    if kernel is None:
        return sys.stderr is not None and sys.stderr.isatty()
    # Those who run notebooks for people let cells ask for input; programs that run them do not.
    return bool(kernel._allow_stdin)


@contextmanager
def progress(what: str) -> Iterator[Callable[[float], object]]:
    """Show a bar for the block, which tells the function it is given the share that is done, 0 to 1.

    The bar goes when the block ends. One that was interrupted stays in a notebook, red.
    """
    if not watched():
        yield lambda _: None
        return
    with warnings.catch_warnings():
        # Without ipywidgets, a bar of text is good enough.
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm
    with tqdm(total=1.0, desc=what, leave=False, bar_format=_FORMAT) as bar:
        yield lambda share: bar.update(share - bar.n)


def _shell() -> object:
    # Whoever has not imported IPython is not in a notebook.
    ipython = sys.modules.get("IPython")
    return ipython and ipython.get_ipython()
