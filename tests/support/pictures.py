"""Pictures of pages for the documentation: in both themes, as wide as a laptop and as narrow as a phone."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

WIDTHS = {"": 1440, "-380": 380}
HEIGHT = 900
MAX_HEIGHT = 2400


def take_pictures(page: Page, name: str, folder: Path) -> None:
    """Write *page* as ``<name>-light.png``, ``-dark.png`` and the same with ``-380`` for a phone, to *folder*.

    The page is pictured whole, as long as it is of a reasonable length; afterwards it is wide and light again.
    """
    page.wait_for_load_state()
    for suffix, width in reversed(WIDTHS.items()):
        page.set_viewport_size({"width": width, "height": HEIGHT})
        for theme in ("dark", "light"):
            page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{name} is {wide} pixels wide where there are {width}"
            height = min(MAX_HEIGHT, page.evaluate("document.documentElement.scrollHeight"))
            page.screenshot(
                path=folder / f"{name}-{theme}{suffix}.png",
                full_page=True,
                clip={"x": 0, "y": 0, "width": width, "height": max(HEIGHT, height)},
                animations="disabled",
                caret="hide",
            )
