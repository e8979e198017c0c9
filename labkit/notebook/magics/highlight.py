"""What a notebook shows: code in colors, and notes. Readable in JupyterLab's light and dark themes."""

import re
from collections.abc import Iterable
from html import escape

_CODE, _MARKED = re.compile(r"`([^`]+)`"), r"<code>\1</code>"

# JupyterLab's own colors where there are any; elsewhere, ones that read on white and on black.
_STYLE = """<style>
.labkit-code{margin:0 0 4px;line-height:1.4;font-family:var(--jp-code-font-family,monospace);white-space:pre-wrap}
.labkit-code .k,.labkit-code .kr,.labkit-code .ow{color:var(--jp-mirror-editor-keyword-color,#0a8a3a);font-weight:600}
.labkit-code .s{color:var(--jp-mirror-editor-string-color,#ba4545)}
.labkit-code .nl,.labkit-code .nv{color:var(--jp-mirror-editor-property-color,#2277bb)}
.labkit-code .mi,.labkit-code .mf{color:var(--jp-mirror-editor-number-color,#2a8a5a)}
.labkit-code .o{color:var(--jp-mirror-editor-operator-color,#8a5acc)}
.labkit-code .c1{color:var(--jp-mirror-editor-comment-color,#7a8288);font-style:italic}
.labkit-note{margin:4px 0;max-width:60em;line-height:1.5}
.labkit-quiet{font-size:85%;opacity:.75}
.labkit-note code{font-family:var(--jp-code-font-family,monospace)}
.labkit-note ul{margin:2px 0 2px 1.4em;padding:0}
</style>"""


def code(promql: str) -> str:
    """Return a query as HTML, in the colors of the notebook's editor."""
    from pygments import highlight  # type: ignore[import-untyped]  # no stubs
    from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]  # no stubs
    from pygments_promql import PromQLLexer  # type: ignore[import-untyped]  # no stubs

    marked = highlight(promql, PromQLLexer(ensurenl=False), HtmlFormatter(nowrap=True))
    return f'{_STYLE}<div class="labkit-code">{marked}</div>'


def title(promql: str) -> str:
    """Return a query as the title of a plotly figure, in colors that read on a light page and on a dark one."""
    from pygments_promql import PromQLLexer

    lexed = PromQLLexer(ensurenl=False).get_tokens(promql.strip())
    return "".join(_colored(kind, text) for kind, text in lexed).replace("\n", "<br>")


def _colored(kind: object, text: str) -> str:
    from labkit.plotting import theme

    colors = {"Token.Name": theme.BLUE, "Token.Literal.String": theme.VERMILION, "Token.Literal.Number": theme.GREEN}
    color = next((color for start, color in colors.items() if str(kind).startswith(start)), None)
    shown = escape(text, quote=False)
    return f'<span style="color:{color}">{shown}</span>' if color else shown


def notes(title: str, items: Iterable[str], *, quiet: bool = False) -> str:
    """Return a short list below a sentence, as HTML; `quiet` is for what nobody needs to act upon.

    What stands between ` and ` is code.
    """
    listed = "".join(f"<li>{_CODE.sub(_MARKED, escape(item))}</li>" for item in items)
    kind, heading = ("labkit-note labkit-quiet", escape(title)) if quiet else ("labkit-note", f"<b>{escape(title)}</b>")
    return f'{_STYLE}<div class="{kind}">{heading}<ul>{listed}</ul></div>'
