from __future__ import annotations

import sys
from pathlib import Path

import pytest

from perijove.singleuser import app, known_name


def test_our_own_server_runs_where_there_is_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[object] = []
    monkeypatch.setattr(known_name, "PEER", "no_such_package")
    monkeypatch.setattr(app, "main", called.append)
    known_name.main(["--debug"])
    assert called == [["--debug"]]


def test_an_installed_peer_keeps_its_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "peer_of_ours" / "singleuser").mkdir(parents=True)
    (tmp_path / "peer_of_ours" / "__init__.py").touch()
    (tmp_path / "peer_of_ours" / "singleuser" / "__init__.py").write_text(
        "def main(argv): called.append(argv)\ncalled = []"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(known_name, "PEER", "peer_of_ours")
    known_name.main(["--debug"])
    assert sys.modules["peer_of_ours.singleuser"].called == [["--debug"]]


def test_the_console_script_is_declared() -> None:
    pyproject = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert 'jupyterhub-singleuser = "perijove.singleuser.known_name:main"' in pyproject
