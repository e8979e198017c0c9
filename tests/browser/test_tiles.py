"""The launcher's tiles, clicked: each opens the real page of a running service, also under a hub's base URL."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, Response, expect

from labkit import Stack
from tests.browser.jupyter import Jupyter
from tests.browser.notebook_page import READY, SCREENSHOTS


@pytest.fixture(scope="module", params=["/", "/user/x/"], ids=["root", "hub"])
def jupyter(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """A JupyterLab, at its root or as a hub serves it, whose lab runs with traffic."""
    with Jupyter(tmp_path_factory.mktemp("jupyter"), request.param) as running:
        stack = Stack.up(ports="auto", scrape_interval=0.5, flush_interval=0.5, home=running.root)
        stack.start_traffic(rate=5)
        yield running


@pytest.fixture
def failed(page: Page) -> list[str]:
    """What any tab asked for and did not get."""
    missed: list[str] = []

    def note(answer: Response) -> None:
        if answer.status >= 400:
            missed.append(f"{answer.status} {answer.url}")

    page.context.on("response", note)
    return missed


@pytest.fixture
def launcher(page: Page, jupyter: Jupyter) -> Page:
    """JupyterLab with its launcher in front."""
    page.goto(f"{jupyter.url}lab?reset")
    page.locator("#jupyterlab-splash").wait_for(state="detached", timeout=READY)
    page.locator(".jp-LauncherCard", has_text="Store").wait_for(timeout=READY)
    return page


# What only the real page can do: its own script asks the service behind it.


def ask_for_what_is_up(prometheus: Page) -> None:
    prometheus.locator("textarea, .cm-content").first.fill("up")
    prometheus.keyboard.press("Enter")
    expect(prometheus.get_by_text('job="labkit"').first).to_be_visible(timeout=READY)


def look_at_the_metrics(sidecar: Page) -> None:
    expect(sidecar.get_by_role("heading", name="labkit sidecar")).to_be_visible(timeout=READY)
    sidecar.get_by_role("link", name="metrics").click()
    expect(sidecar.get_by_text("# TYPE user_events counter").first).to_be_visible(timeout=READY)
    sidecar.go_back()


def join(store: Page) -> None:
    """Try it out, in the documentation's own form: a real customer joins the real store."""
    store.locator(".opblock-post", has_text="/api/store/join").first.click(timeout=READY)
    store.get_by_role("button", name="Try it out").click()
    store.get_by_role("button", name="Execute").click()
    expect(store.locator(".live-responses-table .response-col_status").last).to_have_text("200", timeout=READY)


def watch_the_requests(locust: Page) -> None:
    expect(locust.get_by_role("row", name="/api/store/join")).to_be_visible(timeout=READY)


TILES: dict[str, Callable[[Page], None]] = {
    "Prometheus": ask_for_what_is_up,
    "Sidecar": look_at_the_metrics,
    "Store": join,
    "Locust": watch_the_requests,
}


def test_every_tile_opens_the_real_page(launcher: Page, jupyter: Jupyter, failed: list[str]) -> None:
    """A click opens a tab under the base URL, and the page there does its work."""
    for tile, use in TILES.items():
        with launcher.expect_popup() as popup:
            launcher.locator(".jp-LauncherCard", has_text=tile).click()
        use(popup.value)
        assert popup.value.url.startswith(f"{jupyter.url}{tile.lower()}/")
        popup.value.screenshot(path=SCREENSHOTS / f"tile-{tile.lower()}.png")
        popup.value.close()
    assert failed == []


def test_the_tile_of_what_does_not_run_says_how_to_start_it(launcher: Page) -> None:
    """Grafana comes with Docker; its tile is there, and opens a page that says so and reloads."""
    with launcher.expect_popup() as popup:
        launcher.locator(".jp-LauncherCard", has_text="Grafana").click()
    expect(popup.value.get_by_role("heading", name="Grafana is not running")).to_be_visible(timeout=READY)
    for scheme in ("dark", "light"):
        popup.value.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        popup.value.screenshot(path=SCREENSHOTS / f"tile-away-{scheme}.png")


def test_the_launcher_shows_every_tile(launcher: Page) -> None:
    """Each with its icon, in both themes."""
    for theme in ("Dark", "Light"):
        for name in ("Settings", "Theme", f"JupyterLab {theme}"):
            launcher.locator(".lm-MenuBar-itemLabel, .lm-Menu-itemLabel").get_by_text(name, exact=True).click()
        themed = launcher.locator(f"body[data-jp-theme-name='JupyterLab {theme}']")
        themed.wait_for(state="attached", timeout=READY)
        launcher.locator("#jupyterlab-splash").wait_for(state="detached", timeout=READY)
        for name in (*TILES, "Grafana"):
            expect(launcher.locator(".jp-LauncherCard", has_text=name).locator("img, svg").first).to_be_visible()
        launcher.screenshot(path=SCREENSHOTS / f"launcher-{theme.lower()}.png")
