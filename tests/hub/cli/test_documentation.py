from __future__ import annotations

import sys
from pathlib import Path

from perijove.hub.cli.documentation import markdown
from perijove.hub.cli.options import Option, Section, sections


def test_the_page_in_the_documentation_is_current(checkout: Path) -> None:
    page = (checkout / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert page == markdown(sections(own_only=True)), (
        "make it anew: python -m perijove.hub.cli.documentation > docs/configuration.md"
    )


def test_an_option_is_a_row() -> None:
    option = Option("oars", "a whole number or None", "2", "", "How many; 1 | 2.")
    text = markdown([Section("Boats", "Spawner", "Starts boats.", (option,))])
    assert "## Boats\n\nStarts boats. It has all options of `Spawner` too.\n" in text
    assert "| `c.Boats.oars` | a whole number or None | `2` | How many; 1 \\| 2. |\n" in text


def test_the_page_is_the_same_on_every_machine() -> None:
    option = Option("command", "a list of texts", repr([sys.executable, "-m", "x"]), "", "What to start.")
    assert "`['python', '-m', 'x']`" in markdown([Section("Boats", "", "Starts boats.", (option,))])
