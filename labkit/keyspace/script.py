"""Lua: one file of `lua/`, which the server knows by its digest once it is loaded."""

from functools import cached_property
from hashlib import sha1

from labkit.resources import resource


class Script:
    """The text of one Lua file and its digest."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = resource("lua", name).read_text(encoding="utf-8")

    @cached_property
    def sha(self) -> str:
        return sha1(self.text.encode(), usedforsecurity=False).hexdigest()
