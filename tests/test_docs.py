"""The documentation is held to the code: commands exist, tables are true, links lead somewhere."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import nbformat
import pytest
import redis
from starlette.testclient import TestClient
from typer.main import get_command

from labkit import RedisMetricsService
from labkit.cli.app import app
from labkit.resources import resource
from labkit.store.app import create_app
from tests import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TEXTS = {".sh", ".py", ".md", ".lua", ".yml", ".toml", ".txt", ".ipynb", ".json"}


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)  # type: ignore[no-any-return]  # upstream


def cells(path: Path, kind: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in read(path).cells if cell.cell_type == kind]


def test_make_targets_in_the_readme_exist() -> None:
    """Every `make …` the page shows is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make ([a-z]+)", README)) <= targets


def test_labkit_commands_in_the_readme_exist() -> None:
    """The command line understands every `labkit …` with its options."""
    group = get_command(app)
    for command, rest in re.findall(r"`labkit ([a-z]+)([^`]*)`", README):
        known = group.commands[command].params  # type: ignore[attr-defined]  # a group has commands
        options = {option for parameter in known for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options | {"--help"}, command


def test_relative_links_lead_somewhere() -> None:
    """What the page links to in the tree is there."""
    targets = re.findall(r"\]\((?!http|#)([^)#]+)", README)
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_files_that_pages_name_exist() -> None:
    """Who follows a value through docs/architecture.md, or is told which test holds a promise, finds the file."""
    pattern = re.compile(r"`((?:labkit|lua|harness|tests|scripts|benchmarks|configs)/[\w./-]+)`")
    named = {name: pattern.findall(text) for name, text in _committed_texts() if name.endswith(".md")}
    assert "lua/flush.lua" in named["docs/architecture.md"]
    del named["CHANGELOG.md"]
    assert {(page, file) for page, files in named.items() for file in files if not (ROOT / file).exists()} == set()
    beside = re.compile(r"`(test_\w+\.py)`")
    tests = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    assert {name for name, text in _committed_texts() if name in named and set(beside.findall(text)) - tests} == set()


def test_the_table_of_metrics_is_what_the_store_records(
    metrics: RedisMetricsService, redis_client: redis.Redis
) -> None:
    """Names and types in the README are those that the store announces in Redis, and no others."""
    with TestClient(create_app(metrics)):
        metrics.flush()
    raw = cast(dict[bytes, bytes], redis_client.hgetall("metrics.meta"))
    announced = {name.decode(): json.loads(entry)["type"] for name, entry in raw.items()}
    documented = dict(re.findall(r"^\| `(\w+)` \| (counter|gauge|histogram) \|", README, re.MULTILINE))
    assert documented == {name: kind for name, kind in announced.items() if not name.startswith("labkit_")}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_keeps_the_house_rules(path: Path) -> None:
    """One parameters cell, no cell over ten lines, the plain kernel, and no output but what is checked."""
    notebook = read(path)
    code = cells(path, "code")
    tags = [cell.metadata.get("tags", []) for cell in code]
    assert notebook.metadata.kernelspec.name == "python3"
    assert tags[0] == ["parameters"]
    assert max(len(cell.source.splitlines()) for cell in code) <= 10
    assert all("nbval-check-output" in tag for cell, tag in zip(code, tags, strict=True) if cell.outputs)
    assert all(" # " in line for line in code[0].source.splitlines() if "=" in line), "a parameter without its help"


def _committed_texts() -> Iterator[tuple[str, str]]:
    for path in ROOT.rglob("*"):
        hidden = any(part.startswith(".") or part in ("out", "node_modules") for part in path.relative_to(ROOT).parts)
        if path.is_file() and not hidden and path.suffix in TEXTS:
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


def test_nothing_names_a_machine() -> None:
    """No text has a path of somebody's machine or a package index's address."""
    pattern = re.compile(r"/(?:home|root|work)/\w|pypi\.org/simple|deb\.debian\.org")
    assert [name for name, text in _committed_texts() if pattern.search(text) and name != "tests/test_docs.py"] == []


def test_nobody_is_told_to_install_another_package() -> None:
    """On package indexes, `labkit` is somebody else's: what people install is called labkit-metrics, everywhere."""
    wrong = re.compile(r"pip3? (?:install|download)[^`\n;&]*[\s'\"]labkit(?![\w/-])|\blabkit\[")
    assert wrong.search("pip install labkit") and wrong.search("pip install -U 'labkit[lab]'")
    assert not wrong.search("pip install 'labkit-metrics[lab]' && labkit demo")
    assert [name for name, text in _committed_texts() if wrong.search(text) and name != "tests/test_docs.py"] == []


def test_both_scripts_are_found() -> None:
    """Installed or in a checkout, the Lua files are where the code looks for them."""
    assert resource("lua", "flush.lua").is_file()
    with pytest.raises(FileNotFoundError, match="reinstall"):
        resource("lua", "none.lua")
