"""What axe says of a page, and whether one can see where the keyboard is."""

from __future__ import annotations

from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
MAX_STOPS = 80

FOCUS = """() => {
  const element = document.activeElement;
  if (!element || element === document.body) { return null; }
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  const visible = (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2) && box.width > 0;
  if (element.dataset.focusNumber === undefined) {
    window.focusNumber = (window.focusNumber ?? 0) + 1;
    element.dataset.focusNumber = window.focusNumber;
  }
  return [element.dataset.focusNumber, element.outerHTML.slice(0, 160), visible];
}"""


def assert_accessible(page: Page, *, keyboard: bool = True) -> None:
    """Fail if axe finds a violation on *page* in the light or dark theme, or if the focus cannot be seen somewhere.

    Args:
        page: the page as it stands; its theme is the light one afterwards.
        keyboard: whether to go through the page with the Tab key, too.
    """
    wrong = []
    for theme in reversed(THEMES):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        results = Axe().run(page)
        if results.violations_count:
            wrong.append(f"in the {theme} theme: {results.generate_report()}")
    assert not wrong, f"{page.url}\n" + "\n".join(wrong)
    if keyboard:
        assert_focus_visible(page)


def assert_focus_visible(page: Page) -> None:
    """Fail if the Tab key leads to a place on *page* where nothing shows that it is there."""
    page.evaluate("() => { document.activeElement?.blur(); window.scrollTo(0, 0); }")
    seen = set()
    for _ in range(MAX_STOPS):
        page.keyboard.press("Tab")
        found = page.evaluate(FOCUS)
        if found is None or found[0] in seen:
            break
        seen.add(found[0])
        assert found[2], f"{page.url}: the focus cannot be seen on {found[1]}"
    assert seen, f"{page.url}: the Tab key leads nowhere"
