from __future__ import annotations

from pathlib import Path

import pytest

from perijove.hub.cli.configured import configured


def test_the_configuration_is_the_hubs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jupyterhub_config.py").write_text("c.JupyterHub.hub_port = 8765\n")
    found = configured(None)
    assert found is not None
    assert found.hub.hub_port == 8765


def test_mistakes_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "other.py"
    config.write_text("c.JupyterHub.hub_prot = 8765\nc.Nothing.x = 1\n")
    assert configured(config) is None
    said = capsys.readouterr().err
    assert "hub_prot" in said
    assert "Nothing" in said
