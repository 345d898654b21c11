from __future__ import annotations

from pathlib import Path

import pytest

from perijove.hub.settings.folders import choose_data_dir

HOME = {"HOME": "/home/anna"}


@pytest.mark.parametrize(
    ("configured", "has_file", "environment", "expected"),
    [
        ("", False, HOME, "/home/anna/.local/share/perijove"),
        ("", False, HOME | {"XDG_DATA_HOME": "/xdg"}, "/xdg/perijove"),
        ("", False, HOME | {"XDG_DATA_HOME": "relative"}, "/home/anna/.local/share/perijove"),
        ("", False, HOME | {"XDG_DATA_HOME": "/xdg", "PERIJOVE_DATA_DIR": "/data"}, "/data"),
        ("", False, HOME | {"PERIJOVE_DATA_DIR": "data"}, "/here/data"),
        ("", True, HOME | {"PERIJOVE_DATA_DIR": "/data"}, "/here"),
        ("sub", True, HOME, "/here/sub"),
        ("/abs", False, HOME | {"PERIJOVE_DATA_DIR": "/data"}, "/abs"),
    ],
)
def test_the_folder_of_the_hub(configured: str, has_file: bool, environment: dict[str, str], expected: str) -> None:
    assert choose_data_dir(configured, has_file, folder=Path("/here"), environment=environment) == Path(expected)
