from __future__ import annotations

import re
from pathlib import Path

import pytest

from perijove.hub.cli.options import FOLLOWS, Option, Section, sections
from perijove.hub.cli.texts import config_template, help_all
from perijove.hub.plugins.configuration import load
from perijove.hub.settings.loading import Arguments

BOATS = Section(
    "Boats",
    "Spawner",
    "Starts boats.",
    (
        Option("oars", "a whole number", "2", "", "How many oars."),
        Option("sails", "a set of texts", "set()", "what the wind says", "Which sails."),
        Option("crew", "a list", "[]", FOLLOWS, "Who rows; everybody by default."),
    ),
)


def test_the_long_help_has_name_type_default_and_meaning() -> None:
    text = help_all([BOATS])
    assert "Boats (and all of Spawner)\nStarts boats.\n" in text
    assert "--Boats.oars=…\n    How many oars.\n    A whole number. Default: 2\n" in text
    assert "A set of texts. Default: what the wind says\n" in text


def test_the_generated_file_has_every_option_commented_out() -> None:
    text = config_template([BOATS])
    assert "# How many oars.\n# A whole number.\n# c.Boats.oars = 2\n" in text
    assert "# A set of texts. Default: what the wind says.\n# c.Boats.sails = set()\n" in text
    assert "# Who rows; everybody by default.\n# A list.\n# c.Boats.crew = []\n" in text
    assert [line for line in text.splitlines() if line and not line.startswith("#")] == ["c = get_config()"]


def lines_to_uncomment() -> list[str]:
    return re.findall(r"^# (c\.\w+\.\w+ = .*)$", config_template(sections(own_only=True)), re.MULTILINE)


def test_the_generated_file_loads(tmp_path: Path) -> None:
    file = tmp_path / "jupyterhub_config.py"
    file.write_text(config_template(sections()))
    assert load(Arguments(folder=tmp_path)).config_file == file


# Empty is the default of these only because the real one depends on the machine, so it cannot be written down.
@pytest.mark.parametrize("line", [line for line in lines_to_uncomment() if "oauth_token_expires_in" not in line])
def test_every_line_of_it_may_be_uncommented(tmp_path: Path, line: str) -> None:
    (tmp_path / "jupyterhub_config.py").write_text(line)
    load(Arguments(folder=tmp_path))
