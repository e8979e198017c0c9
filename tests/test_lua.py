"""The Lua files that people and servers are given: made from their parts, each with its contract on top."""

import re
import runpy

import pytest

from tests import ROOT

LUA = ROOT / "lua"
FILES = sorted(path.name for path in LUA.glob("*.lua"))


def test_the_committed_files_are_what_make_lua_makes() -> None:
    """Nobody has to build anything before `redis-cli EVAL "$(cat lua/redis-exporter.lua)" 0`."""
    built = runpy.run_path(str(ROOT / "scripts/build_lua.py"))["built"]()
    assert {path: path.read_text(encoding="utf-8") for path in LUA.glob("*.lua")} == built


def test_every_part_is_used() -> None:
    """A part that no command includes would be kept up for nobody."""
    parts = {str(path.relative_to(LUA / "includes"))[:-4] for path in (LUA / "includes").rglob("*.lua")}
    sources = [path.read_text(encoding="utf-8") for path in LUA.rglob("*.lua")]
    assert {part for text in sources for part in re.findall(r'^--- @include "(.*)"$', text, re.MULTILINE)} == parts


@pytest.mark.parametrize("name", FILES)
def test_a_script_opens_with_its_contract(name: str) -> None:
    """The header of a Lua file says what it is for, and lists KEYS, ARGV and what it returns."""
    header = (ROOT / "lua" / name).read_text(encoding="utf-8").partition("\n\n")[0]
    assert header.removeprefix("#!lua\n").startswith(f"-- {name}: ")
    assert all(re.search(rf"^-- +{word}\b", header, re.MULTILINE) for word in ("KEYS", "ARGV", "Returns"))


@pytest.mark.parametrize("name", FILES)
def test_a_contract_names_every_argument(name: str) -> None:
    """What a script takes from KEYS and ARGV by number has a line of its own in the header."""
    header, _, body = (ROOT / "lua" / name).read_text(encoding="utf-8").partition("\n\n")
    # Of two ways to call a script, the second one has arguments.
    contract = header.rpartition("\n-- 2. ")[2]
    for kind in ("KEYS", "ARGV"):
        told = re.search(rf"^-- +{kind}\b.*(?:\n-- {{6,}}.*)*", contract, re.MULTILINE)
        assert told
        listed = {int(n) for n in re.findall(rf"^-- +(?:{kind} +)?(\d+)(?:…|  )", told[0], re.MULTILINE)}
        assert {int(n) for n in re.findall(rf"{kind}\[(\d+)\]", body)} <= listed
