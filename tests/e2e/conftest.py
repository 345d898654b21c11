"""Real hubs, a real browser: what the end-to-end tests share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from tests.support.hubs import UPSTREAM_CONFIG, RunningHub, installations

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"


@pytest.fixture(scope="module")
def make_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., RunningHub]]:
    """Make installations that are gone after the module, whatever happened to them."""
    with installations(tmp_path_factory) as make:
        yield make


@pytest.fixture(scope="module")
def configured(make_hub: Callable[..., RunningHub]) -> RunningHub:
    """A hub that runs with the configuration file that is also valid for JupyterHub."""
    hub = make_hub(config=UPSTREAM_CONFIG)
    hub.start()
    return hub


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless browser."""
    if not Path(CHROMIUM).exists():
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-dev-shm-usage",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--no-first-run",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def new_visitor(chromium: Browser) -> Iterator[Callable[[], Page]]:
    """Open pages, each in a browser profile of its own."""
    contexts: list[BrowserContext] = []

    def visit() -> Page:
        context = chromium.new_context(viewport={"width": 1280, "height": 800})
        context.set_default_timeout(60_000)
        contexts.append(context)
        return context.new_page()

    yield visit
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_visitor: Callable[[], Page]) -> Page:
    """One page."""
    return new_visitor()


@pytest.fixture(scope="session")
def picture() -> Callable[[Page, str], None]:
    """Keep a picture of a page for the documentation, where PERIJOVE_PICTURES names a folder for it."""
    folder = os.environ.get("PERIJOVE_PICTURES", "")

    def take(page: Page, name: str) -> None:
        if folder:
            page.screenshot(path=Path(folder) / f"{name}.png")

    return take
