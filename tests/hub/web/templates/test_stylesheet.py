"""The colours keep their contrast (WCAG 2.2, AA) in both themes, and nothing in the stylesheet leads elsewhere."""

from __future__ import annotations

import re

import pytest

from perijove.hub.web.templating import STATIC_FOLDER

CSS = (STATIC_FOLDER / "css" / "perijove.css").read_text()

TEXT = [
    *((ink, ground) for ink in ("ink", "muted", "link") for ground in ("bg", "surface", "sunken")),
    ("on-accent", "accent"),
    ("on-accent", "accent-strong"),
    ("accent", "surface"),
    ("ink", "bad-bg"),
    ("link", "bad-bg"),
    *((tone, f"{tone}-bg") for tone in ("good", "warn", "bad")),
]
SHAPES = [("field-line", "surface"), ("field-line", "bg"), ("focus", "surface"), ("focus", "bg"), ("accent", "sunken")]


def colours(theme: str) -> dict[str, str]:
    """Return the colours of *theme*."""
    pairs = re.findall(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", CSS)
    assert len(pairs) > 10
    return {name: dark if theme == "dark" else light for name, light, dark in pairs}


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_computed_as_defined() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), TEXT)
def test_text_can_be_read(theme: str, ink: str, ground: str) -> None:
    palette = colours(theme)
    assert contrast(palette[ink], palette[ground]) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("shape", "ground"), SHAPES)
def test_edges_can_be_seen(theme: str, shape: str, ground: str) -> None:
    palette = colours(theme)
    assert contrast(palette[shape], palette[ground]) >= 3


def test_nothing_is_loaded_from_elsewhere() -> None:
    assert not re.search(r"url\(|@import|https?:", CSS)


def test_every_variable_is_defined() -> None:
    assert set(re.findall(r"var\(--([a-z-]+)\)", CSS)) <= set(re.findall(r"--([a-z-]+):", CSS))


def test_motion_and_theme_follow_the_person() -> None:
    for wish in ("prefers-reduced-motion: reduce", "forced-colors: active"):
        assert f"({wish})" in CSS
    assert ":root {\n  color-scheme: light dark;" in CSS
    for theme in ("light", "dark"):
        assert f':root[data-theme="{theme}"] {{ color-scheme: {theme}; }}' in CSS
