from __future__ import annotations

from pathlib import Path

from perijove.singleuser.config_paths import operator_paths

INSTALLED = ["/opt/venv/etc/jupyter", "/usr/local/etc/jupyter", "/etc/jupyter"]
USER = ["/home/a/.jupyter", "/home/a/.local/etc/jupyter"]


def test_user_directories_go() -> None:
    paths = ["/operator", *USER, *INSTALLED, "/home/a/somewhere"]
    kept = operator_paths(paths, installed=INSTALLED, environ={"JUPYTER_CONFIG_PATH": "/operator"}, user_dirs=USER)
    assert kept == ["/operator", *INSTALLED]


def test_user_directory_by_another_name(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    alias = tmp_path / "alias"
    alias.symlink_to(tmp_path / "home")
    paths = [str(alias), str(tmp_path / "home")]
    environ = {"JUPYTER_CONFIG_PATH": str(alias)}
    assert operator_paths(paths, installed=[], environ=environ, user_dirs=[str(tmp_path / "home")]) == []
