"""The pictures of README and docs/: each is as old as its words."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser import picture


def test_a_picture_that_is_older_than_its_words_fails(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers may be others; of a word, it says which, and what takes the picture anew."""
    monkeypatch.setattr(picture, "DOCS", tmp_path)
    monkeypatch.setattr(picture, "SCREENSHOTS", tmp_path / "screenshots")
    for renews, text in (("0", "Pause, 7 s old"), ("", "Pause, 8 s old")):
        monkeypatch.setattr(picture, "GROW", renews)
        page.set_content(f"<p>{text}</p>")
        picture.take("panel", page, page.locator("p"))
    page.set_content("<p>Rest, 8 s old</p>")
    with pytest.raises(AssertionError, match=r"panel\.png is older .*'Pause', 'Rest'.* make pictures"):
        picture.take("panel", page, page.locator("p"))
