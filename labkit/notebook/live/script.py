"""plotly.js for the page: the file that plotly itself brings, sent once for all live figures of a kernel."""

import gzip
from functools import cache
from typing import Any

import anywidget
import traitlets
from plotly.offline import get_plotlyjs, get_plotlyjs_version

VERSION = get_plotlyjs_version()


# It is never shown. The page takes the code out of it, because a notebook may save the state of its widgets.
_TAKEN = """
function initialize({ model }) {
  globalThis[Symbol.for(`labkit.live.code.${model.get("version")}`)] ??= model.get("code");
  model.set("code", null);
}
export default { initialize };
"""


class Script(anywidget.AnyWidget):
    """plotly.js, packed by gzip: a third of its size matters on the way from a hub."""

    _esm = _TAKEN
    code: Any = traitlets.Bytes().tag(sync=True)
    version: Any = traitlets.Unicode(VERSION).tag(sync=True)


@cache
def _script() -> Script:
    return Script(code=gzip.compress(get_plotlyjs().encode()))


def script() -> Script:
    """Return the one of this kernel. It is sent when it is made: a kernel that is busy later has sent it."""
    made = _script()
    made.open()  # this does nothing, unless all widgets were closed
    return made
