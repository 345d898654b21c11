"""What real servers print when they fail, and what the hub makes of it."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.failing import why_it_failed

HERE = Path(sys.executable).parent
PORT_OF_URL = "u=${JUPYTERHUB_SERVICE_URL#http://127.0.0.1:}; exec jupyter-lab --no-browser --allow-root"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


async def test_a_port_that_somebody_has(tmp_path: Path, taken: int) -> None:
    failure = await why_it_failed(tmp_path, port=taken)
    assert failure.reason.endswith("another program has taken its port.")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            {
                "args": [
                    "--ServerApp.jpserver_extensions={'my_ext': True}",
                    "--ServerApp.reraise_server_extension_failures=1",
                ]
            },
            "a Python package is missing or broken: The module 'my_ext' could not be found",
        ),
        (
            {"cmd": [sys.executable, "-m", "my_server"]},
            "a Python package is missing or broken: No module named my_server",
        ),
        ({"args": ["--ServerApp.max_body_size=lots"]}, "a setting of Jupyter's is wrong: The 'max_body_size' trait"),
        ({"args": ["--nonsense"]}, "its command line is wrong: argument --nonsense"),
        ({"cmd": ["env", "-i", str(HERE / "perijove-singleuser")]}, "it was not told which hub started it"),
        ({"cmd": ["my-server"], "shell_cmd": ["bash", "-c"]}, "the command my-server was not found"),
        ({"cmd": ["my-server"], "shell_cmd": ["sh", "-c"]}, "the command my-server was not found"),
        ({"cmd": [sys.executable, "-c", "bytearray(10**15)"]}, "there was no memory left for it"),
        ({"environment": {"PYTHONHOME": "/nowhere"}}, "the Python that it runs on is broken"),
    ],
)
async def test_servers_that_end(tmp_path: Path, options: dict[str, Any], reason: str) -> None:
    failure = await why_it_failed(tmp_path, **options)
    assert reason in failure.reason, failure.log
    assert failure.advice


async def test_a_folder_in_place_of_which_there_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "homes" / "ada").mkdir(parents=True)
    (tmp_path / "homes" / "ada" / ".local").touch()
    failure = await why_it_failed(tmp_path)
    assert "it cannot make the folder" in failure.reason, failure.log
    assert "/homes/ada/.local/share" in failure.reason


async def test_a_server_on_a_port_of_its_own(tmp_path: Path) -> None:
    command = ["jupyter-lab", "--no-browser", "--allow-root"]
    failure = await why_it_failed(tmp_path, cmd=command, says="To access the server")
    assert failure.advice.startswith("It listens on port 88")


async def test_a_server_with_a_base_url_of_its_own(tmp_path: Path) -> None:
    command = ["sh", "-c", f"{PORT_OF_URL} --port=${{u%%/*}}"]
    failure = await why_it_failed(tmp_path, cmd=command, says="To access the server")
    assert failure.advice.startswith("It serves /lab, but the hub asks for /base/user/ada/")
