"""Pictures of pages for the documentation: in both themes, as wide as a laptop and as narrow as a phone."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.sync_api import Page

SIZES: Final = {"-380": {"width": 380, "height": 800}, "": {"width": 1440, "height": 900}}
COLOURS: Final = 32
"""So many are enough for pages of flat colours, and make small files."""

NEAR: Final = 6
"""Colours that differ by less count as one."""

STEADY: Final = """() => {
  for (const time of document.querySelectorAll("#progress-elapsed")) {
    const still = time.cloneNode();
    still.textContent = "4 s";
    time.replaceWith(still);
  }
  for (const field of document.querySelectorAll("input[readonly]")) {
    field.value = field.value
      .replace(/^https?:\\/\\/[^/]+/, "https://hub.example.org")
      .replace(/([=]|^)[A-Za-z0-9_-]{20,}$/, "$14c7b0e9f5d2a4c0b8e6f1a7d3c9b2e58");
  }
}"""
"""What is made at random is shown as something that is not, so that pictures change only when pages do."""


def take_pictures(page: Page, name: str, folder: Path) -> None:
    """Write *page* as ``<name>-light.webp``, ``-dark.webp`` and the same with ``-380`` for a phone, to *folder*.

    Each shows what is seen first. Afterwards the page is wide and light again.
    """
    page.wait_for_load_state()
    page.evaluate(STEADY)
    for suffix, size in SIZES.items():
        page.set_viewport_size(size)  # type: ignore[arg-type] # a typed dictionary with these keys
        for theme in ("dark", "light"):
            page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= size["width"], f"{name} is {wide} pixels wide where there are {size['width']}"
            content = page.screenshot(animations="disabled", caret="hide")
            small(content).save(folder / f"{name}-{theme}{suffix}.webp", lossless=True, quality=50, method=4)


def far(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Say whether two colours look different."""
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) >= NEAR


def small(content: bytes) -> Image.Image:
    """Return the picture in *content* with the colours that most of it has: those of areas, soft shadows included."""
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    counted = picture.getcolors(picture.width * picture.height) or []
    kept: list[tuple[int, ...]] = []
    for _, colour in sorted(counted, reverse=True):
        if isinstance(colour, tuple) and all(far(colour, other) for other in kept):
            kept.append(colour)
        if len(kept) == COLOURS:
            break
    palette = Image.new("P", (1, 1))
    palette.putpalette([value for colour in kept for value in colour])
    return picture.quantize(palette=palette, dither=Image.Dither.NONE).convert("RGB")
