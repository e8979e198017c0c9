"""plotly.js for the page: the file that plotly itself brings, sent once for all live figures of a kernel."""

import gzip
from functools import cache
from typing import Any

import anywidget
import traitlets
from plotly.offline import get_plotlyjs, get_plotlyjs_version

VERSION = get_plotlyjs_version()


class Script(anywidget.AnyWidget):
    """plotly.js, packed by gzip: a third of its size matters on the way from a hub."""

    _esm = "export default {}"  # it is never shown
    code: Any = traitlets.Bytes().tag(sync=True)


@cache
def _script() -> Script:
    return Script(code=gzip.compress(get_plotlyjs().encode()))


def script() -> Script:
    """Return the one of this kernel. It is sent when it is made: a kernel that is busy later has sent it."""
    made = _script()
    made.open()  # nothing happens, unless somebody closed all widgets
    return made
