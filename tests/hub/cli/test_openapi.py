from __future__ import annotations

import json
from pathlib import Path

import pytest

from perijove.hub.cli import main as command
from perijove.hub.cli.openapi import OK, main
from perijove.hub.web.app import api_document


def test_the_document_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["openapi"]) == OK
    assert json.loads(capsys.readouterr().out) == api_document("/hub/")


def test_it_is_that_of_an_installation_under_a_prefix(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--base-url", "jh"]) == OK
    assert "/jh/hub/api/users" in json.loads(capsys.readouterr().out)["paths"]


def test_the_published_document_is_up_to_date(checkout: Path) -> None:
    published = json.loads((checkout / "docs/openapi.json").read_text())
    assert published == api_document("/hub/"), "run: perijove openapi > docs/openapi.json"
