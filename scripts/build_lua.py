"""Make the Lua files that the server is given from `lua/commands/` and `lua/includes/`: `make lua`.

A line `--- @include "numbers"` in a command, or in what it includes, becomes the text of `lua/includes/numbers.lua`.
What is made is committed, because people call it: `redis-cli EVAL "$(cat lua/redis-exporter.lua)" 0`.
"""

import re
from pathlib import Path

LUA = Path(__file__).parent.parent / "lua"
_INCLUDE = re.compile(r'^--- @include "([\w/-]+)"$', re.MULTILINE)
NOTICE = "\n\n-- Made by `make lua` from lua/commands/ and lua/includes/: change it there."


def expand(text: str) -> str:
    """Return the text with everything that it includes.

    Raises:
        FileNotFoundError: it includes what there is not.
    """

    def included(found: re.Match[str]) -> str:
        part = (LUA / "includes" / f"{found[1]}.lua").read_text(encoding="utf-8")
        return f"\n{expand(part).strip()}\n"

    return _INCLUDE.sub(included, text)


def built() -> dict[Path, str]:
    """Return what each file is made to be; the header, which is its contract, comes first."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted((LUA / "commands").glob("*.lua"))}
    parts = {LUA / path.name: text.partition("\n\n") for path, text in texts.items()}
    return {
        path: re.sub(r"\n{3,}", "\n\n", f"{header}{NOTICE}\n\n{expand(body).strip()}\n")
        for path, (header, _, body) in parts.items()
    }


if __name__ == "__main__":
    for path, text in built().items():
        path.write_text(text, encoding="utf-8")
