"""A film of a page: what people see while something happens in it, small enough for the README."""

from io import BytesIO
from pathlib import Path
from time import monotonic, sleep

from PIL import Image
from playwright.sync_api import Locator

# Seconds between two pictures, and how wide they are, px.
STEP = 0.5
WIDTH = 1000


class Film:
    """Pictures of a page from the top of one part to the bottom of another."""

    def __init__(self, top: Locator, bottom: Locator) -> None:
        self._page, self._top, self._bottom = top.page, top, bottom
        self._pictures: list[Image.Image] = []

    def roll(self, seconds: float) -> None:
        """Take pictures for so long."""
        ends = monotonic() + seconds
        while (now := monotonic()) < ends:
            self._pictures.append(self._picture())
            sleep(max(0.0, now + STEP - monotonic()))

    def save(self, path: Path) -> int:
        """Write it, to be shown as fast as it happened and again and again; return its size in bytes."""
        first, *others = self._pictures
        path.parent.mkdir(parents=True, exist_ok=True)
        first.save(
            path, save_all=True, append_images=others, duration=int(STEP * 1000), loop=0,
            quality=55, method=4, minimize_size=True,
        )  # fmt: skip
        return path.stat().st_size

    def _picture(self) -> Image.Image:
        top, bottom = self._top.bounding_box(), self._bottom.bounding_box()
        assert top
        assert bottom
        height = bottom["y"] + bottom["height"] - top["y"]
        taken = self._page.screenshot(clip={"x": top["x"], "y": top["y"], "width": top["width"], "height": height})
        picture = Image.open(BytesIO(taken)).convert("RGB")
        return picture.resize((WIDTH, round(WIDTH * height / top["width"])), Image.Resampling.LANCZOS)
