"""The page on the life cycle of a server says what the table says."""

from __future__ import annotations

import re
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

from perijove.hub.core.servers import COMMANDS, TRANSITIONS, Event, State


@pytest.fixture(scope="module")
def script(checkout: Path) -> ModuleType:
    loader = SourceFileLoader("draw_life_cycle", str(checkout / "scripts" / "draw-life-cycle"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_the_page_is_current(checkout: Path, script: ModuleType) -> None:
    text = (checkout / "docs" / "server-life-cycle.md").read_text(encoding="utf-8")
    assert text == script.page(), "run scripts/draw-life-cycle"


def test_the_diagram_shows_every_transition_and_no_other(script: ModuleType) -> None:
    drawn = {
        (State(state), Event(event.replace(" ", "_"))): State(following)
        for state, following, events in re.findall(r"^ *(\w+) --> (\w+): (.+)$", script.diagram(), re.MULTILINE)
        for event in events.split(" / ")
    }
    assert drawn == TRANSITIONS


def test_every_command_is_described(script: ModuleType) -> None:
    assert set(script.DOES) == {command.value for command in COMMANDS.values()}


def test_a_page_that_is_out_of_date_is_noticed_and_written_anew(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "PAGE", tmp_path / "page.md")
    assert script.main(["--check"]) == 1
    assert "out of date" in capsys.readouterr().out
    assert script.main([]) == 0
    assert script.main(["--check"]) == 0
    (tmp_path / "page.md").write_text(script.page().replace("ready", "done"), encoding="utf-8")
    assert script.main(["--check"]) == 1


def test_an_unknown_argument_is_refused_and_writes_nothing(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "PAGE", tmp_path / "page.md")
    assert script.main(["--chek"]) == 2
    assert not (tmp_path / "page.md").exists()
