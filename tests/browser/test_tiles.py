"""The launcher's tiles, clicked: each opens the real page of a running service, also under a hub's base URL."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, Response, expect

from harness.jupyter import Jupyter
from harness.notebook_page import READY, SCREENSHOTS
from labkit import Prometheus, Stack


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
    expect(sidecar.get_by_text("# TYPE user_events counter").first).to_be_visible(timeout=READY)


def join(store: Page) -> None:
    """Try it out, in the documentation's own form: a real customer joins the real store."""
    store.locator(".opblock-post", has_text="/api/store/join").first.click(timeout=READY)
    store.get_by_role("button", name="Try it out").click()
    store.get_by_role("button", name="Execute").click()
    expect(store.locator(".live-responses-table .response-col_status").last).to_have_text("200", timeout=READY)


def watch_the_requests(locust: Page) -> None:
    expect(locust.get_by_role("row", name="/api/store/join")).to_be_visible(timeout=READY)


TILES: dict[str, Callable[[Page], None]] = {
    "Store": join,
    "Sidecar": look_at_the_metrics,
    "Prometheus": ask_for_what_is_up,
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


def test_what_does_not_run_says_how_to_start_it(page: Page, jupyter: Jupyter) -> None:
    """Grafana comes with Docker and has no tile before it runs; its address says so and reloads."""
    page.goto(f"{jupyter.url}grafana/")
    expect(page.get_by_role("heading", name="Grafana is not running")).to_be_visible(timeout=READY)
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.screenshot(path=SCREENSHOTS / f"tile-away-{scheme}.png")


def test_one_tile_starts_the_lab(launcher: Page, jupyter: Jupyter) -> None:
    """The panel and the live dashboard stand side by side, with customers in the store; nobody wrote a line."""
    launcher.locator(".jp-LauncherCard", has_text="Start the lab").click()
    panel, dashboard = launcher.locator(".lk-controls"), launcher.locator(".jp-LinkedOutputView .labkit-live")
    expect(panel.get_by_role("slider")).to_have_value("20", timeout=2 * READY)
    expect(dashboard.get_by_text("Events per second").first).to_be_visible(timeout=2 * READY)
    left, right = panel.bounding_box(timeout=READY), dashboard.bounding_box(timeout=2 * READY)
    assert left
    assert right
    assert left["x"] + left["width"] <= right["x"]
    stack = Stack.attach(jupyter.root, name="start-the-lab")
    Prometheus(stack.urls["prometheus"]).wait_until("sum(rate(user_events[10s])) > 0", timeout=60)
    launcher.screenshot(path=SCREENSHOTS / "start-the-lab.png", timeout=READY)
    Stack.clear(jupyter.root, name="start-the-lab")
    gone = panel.get_by_text("The lab 'start-the-lab' has ended.")
    expect(gone).to_be_visible(timeout=READY)
    expect(panel.get_by_role("slider")).to_be_hidden()


def test_the_launcher_shows_every_tile(launcher: Page) -> None:
    """First of all, in a group of their own, in the order of a value's way; each with its icon, in both themes."""
    first = launcher.locator(".jp-Launcher-section").first
    expect(first.get_by_role("heading")).to_have_text("labkit")
    expect(first.locator(".jp-LauncherCard-label")).to_have_text(["Start the lab", *TILES])
    for theme in ("Dark", "Light"):
        for name in ("Settings", "Theme", f"JupyterLab {theme}"):
            launcher.locator(".lm-MenuBar-itemLabel, .lm-Menu-itemLabel").get_by_text(name, exact=True).click()
        themed = launcher.locator(f"body[data-jp-theme-name='JupyterLab {theme}']")
        themed.wait_for(state="attached", timeout=READY)
        launcher.locator("#jupyterlab-splash").wait_for(state="detached", timeout=READY)
        for name in ("Start the lab", *TILES):
            expect(launcher.locator(".jp-LauncherCard", has_text=name).locator("img, svg").first).to_be_visible()
        launcher.screenshot(path=SCREENSHOTS / f"launcher-{theme.lower()}.png")
