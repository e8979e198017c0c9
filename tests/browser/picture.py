"""Pictures for the README and docs/: each holds the words that it shows, so that it is never older than its wording."""

import os
import re
from io import BytesIO
from time import sleep

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Locator, Page

from harness.notebook_page import SCREENSHOTS
from tests import ROOT

DOCS = ROOT / "docs"
# Set by `make pictures`, which renews those in docs/: so many seconds, lines may grow before.
GROW = os.environ.get("LABKIT_PICTURES", "")
COLOURS = 128  # as many as these pages need; a third of the bytes


def grow() -> None:
    """Let lines grow, if the picture is for docs/."""
    sleep(float(GROW or 0))


def take(name: str, shown: Page | Locator, *wording: Locator) -> None:
    """Leave a picture in out/screenshots, whose words are those of the picture in docs/.

    Args:
        name: of the file.
        shown: what the picture shows.
        wording: what of it has the same words each time.
    """
    words = words_of("\n".join(part.inner_text() for part in wording))
    taken = Image.open(BytesIO(shown.screenshot())).convert("RGB")
    small = taken.quantize(COLOURS, dither=Image.Dither.NONE)
    held = PngInfo()
    held.add_text("words", " ".join(words))
    for folder in (SCREENSHOTS, DOCS) if GROW else (SCREENSHOTS,):
        folder.mkdir(parents=True, exist_ok=True)
        small.save(folder / f"{name}.png", optimize=True, pnginfo=held)
    with Image.open(DOCS / f"{name}.png") as committed:
        differing = {*words} ^ {*committed.info.get("words", "").split()}
    assert not differing, f"docs/{name}.png is older than its words {sorted(differing)}. Renew it: make pictures"


def words_of(text: str) -> list[str]:
    """Return the words of a text without numbers, which are others each time."""
    return sorted(set(re.findall(r"[^\W\d_]+", text)))
