"""Every link of every page leads somewhere; what lies outside is not fetched."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests import ROOT
from tests.course.pages import NOTEBOOKS, PAGES, anchors, links, text

LOCAL = {"127.0.0.1", "localhost"}


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _missing(page: Path, target: str) -> str:
    """Say what a relative link lacks, or nothing."""
    path, _, anchor = unquote(target).partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.is_relative_to(ROOT) or not file.exists():
        return f"{target}: no such file"
    if anchor and anchor not in anchors(text(file)):
        return f"{target}: no such heading in {_name(file)}"
    return ""


def _is_sound(target: str) -> bool:
    url = urlsplit(target)
    named = bool(url.hostname) and ("." in str(url.hostname) or url.hostname in LOCAL)
    return named and (url.scheme == "https" or url.hostname in LOCAL)


@pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS], ids=_name)
def test_relative_links_and_anchors_exist(page: Path) -> None:
    """Files that are linked to are in the tree, and have the heading that is meant."""
    inside = [target for target in links(text(page)) if not urlsplit(target).scheme]
    assert [missing for target in inside if (missing := _missing(page, target))] == []


@pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS], ids=_name)
def test_links_to_the_outside_are_sound(page: Path) -> None:
    """They are https, or this machine, and name a host."""
    outside = [target for target in links(text(page)) if urlsplit(target).scheme]
    assert [target for target in outside if not _is_sound(target)] == []


def test_a_wrong_link_is_found() -> None:
    """The check itself sees a missing file, a missing heading, and a host without a name."""
    page = ROOT / "README.md"
    assert links("[a](none.md) [`b`](#c) ![d](e.png)") == ["none.md", "#c", "e.png"]
    assert _missing(page, "none.md")
    assert _missing(page, "#no-such-heading")
    assert not _missing(page, "docs/alerts.md#labkitredisdown")
    assert not _is_sound("http://example.org")
    assert not _is_sound("https:///path")
