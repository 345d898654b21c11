from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from perijove.singleuser import app


def test_missing_environment_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("JUPYTERHUB_", "JPY_"))]:
        monkeypatch.delenv(name)
    with pytest.raises(SystemExit) as error:
        app.main([])
    message = str(error.value)
    for name in ("JUPYTERHUB_SERVICE_URL", "JUPYTERHUB_API_TOKEN", "JUPYTERHUB_CLIENT_ID"):
        assert f"{name} is missing" in message


def test_module_is_the_command_and_fails_before_jupyter_is_loaded() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "perijove.singleuser"]
    done = subprocess.run(command, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "JUPYTERHUB_SERVICE_URL is missing" in done.stderr
    assert "jupyter_server" not in done.stderr


def test_console_script_is_declared() -> None:
    pyproject = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert 'perijove-singleuser = "perijove.singleuser.app:main"' in pyproject
