from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from perijove.hub.adapters import processes
from perijove.hub.adapters.spawners import launcher as module
from perijove.hub.adapters.spawners.launcher import (
    Launcher,
    NotLaunched,
    interpreter_of,
    launcher_for,
    writable_by_others,
)
from perijove.wire.launching import LaunchRequest

BESIDE = Path(sys.executable).parent
NO_HUB = {"PATH": os.environ["PATH"]}


@pytest.fixture
async def prepared() -> AsyncIterator[Launcher]:
    """A launcher whose process is ready."""
    launcher = Launcher(sys.executable, NO_HUB)
    starting = launcher.begin()
    assert starting is not None
    await starting
    assert launcher.ready
    yield launcher
    launcher.close()


@pytest.fixture
def output(tmp_path: Path) -> int:
    """A descriptor of the file ``log``."""
    return os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)


def script(folder: Path, text: str, name: str = "perijove-singleuser") -> str:
    """Write a command and return the search path with it."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)
    return str(folder)


def test_only_our_own_server_has_a_prepared_interpreter(tmp_path: Path) -> None:
    ours = f"#!{sys.executable}\nfrom perijove.singleuser.app import main\n"
    here = script(tmp_path / "ours", ours)
    assert interpreter_of(["perijove-singleuser"], here) == sys.executable
    assert interpreter_of([f"{here}/perijove-singleuser"], "") == sys.executable
    assert interpreter_of(["perijove-singleuser"], str(BESIDE)) is not None
    assert interpreter_of(["perijove-singleuser", "--debug"], here) is None
    assert interpreter_of(["jupyter-labhub"], script(tmp_path / "other", ours, "jupyter-labhub")) is None
    assert interpreter_of(["perijove-singleuser"], str(tmp_path)) is None


def test_the_name_that_containers_know_is_ours_only_where_there_is_no_peer(tmp_path: Path) -> None:
    python = tmp_path / "bin" / "python3"
    here = script(
        tmp_path / "bin", f"#!{python}\nfrom perijove.singleuser.known_name import main\n", "jupyterhub-singleuser"
    )
    assert interpreter_of(["jupyterhub-singleuser"], here) == str(python)
    (tmp_path / "lib" / "python3.12" / "site-packages" / "jupyterhub").mkdir(parents=True)
    assert interpreter_of(["jupyterhub-singleuser"], here) is None
    script(tmp_path / "bin", f"#!{python}\nfrom perijove.singleuser.app import main\n")
    assert interpreter_of(["perijove-singleuser"], here) == str(python)


@pytest.mark.parametrize(
    "text",
    [
        "#!/usr/bin/python3\nfrom jupyterhub.singleuser import main\n",
        "#!/usr/bin/env python3\nfrom perijove.singleuser.app import main\n",
        "#!/bin/sh\nexec elsewhere # perijove.singleuser.app\n",
        "perijove.singleuser.app\n",
    ],
)
def test_a_command_that_is_not_plainly_ours_is_executed(tmp_path: Path, text: str) -> None:
    assert interpreter_of(["perijove-singleuser"], script(tmp_path / "bin", text)) is None


async def test_there_is_one_launcher_for_each_interpreter() -> None:
    env = {"PATH": str(BESIDE), "SECRET": "hush", "PYTHONUTF8": "1"}
    first = launcher_for(["perijove-singleuser"], env)
    assert first is not None
    assert first is launcher_for([str(BESIDE / "perijove-singleuser")], env)
    assert first._env == {"PATH": str(BESIDE), "PYTHONUTF8": "1"}
    assert launcher_for(["sh"], env) is None


async def test_a_copy_that_fails_tells_its_exit_status_and_prints_to_its_log(
    prepared: Launcher, output: int, tmp_path: Path
) -> None:
    child = await prepared.launch(LaunchRequest(("perijove-singleuser",), NO_HUB, str(tmp_path)), output)
    assert processes.identify(child.pid) is not None
    await child.ended()
    assert child.poll() == 1
    assert "JUPYTERHUB_API_TOKEN" in (tmp_path / "log").read_text()


async def test_a_copy_that_cannot_be_made_says_why(prepared: Launcher, output: int) -> None:
    for _ in range(2):
        with pytest.raises(NotLaunched, match="cannot be entered"):
            await prepared.launch(LaunchRequest(("server",), NO_HUB, "/does/not/exist"), output)
    with pytest.raises(NotLaunched, match="more than"):
        await prepared.launch(LaunchRequest(("server",), {"X": "x" * 2_000_000}, "/"), output)
    assert prepared.ready


async def test_a_launcher_that_was_killed_is_started_again(
    prepared: Launcher, output: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert prepared._process is not None
    first = prepared._process
    os.kill(first.pid, signal.SIGKILL)
    await asyncio.to_thread(first.wait)
    with pytest.raises(NotLaunched):
        await prepared.launch(LaunchRequest(("server",), NO_HUB, "/"), output)
    starting = prepared.begin()
    assert starting is not None
    assert prepared.begin() is starting
    await starting
    assert prepared.ready
    assert prepared._process.pid != first.pid


async def test_what_cannot_be_prepared_is_not_tried_again_and_again(tmp_path: Path, output: int) -> None:
    launcher = Launcher(str(tmp_path / "no-python"), NO_HUB)
    starting = launcher.begin()
    assert starting is not None
    await starting
    assert not launcher.ready
    assert launcher.begin() is None
    with pytest.raises(NotLaunched, match="no process is prepared"):
        await launcher.launch(LaunchRequest(("server",), {}, "/"), output)


async def test_a_process_that_ends_before_it_is_ready_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    launcher = Launcher("/bin/false", {})
    starting = launcher.begin()
    assert starting is not None
    await starting
    assert not launcher.ready


async def test_servers_outlive_a_launcher_that_is_closed(prepared: Launcher, output: int, tmp_path: Path) -> None:
    assert prepared._process is not None
    child = await prepared.launch(LaunchRequest(("perijove-singleuser",), NO_HUB, str(tmp_path)), output)
    prepared.close()
    assert await asyncio.to_thread(prepared._process.wait, 30) == 0
    assert "JUPYTERHUB_API_TOKEN" in (tmp_path / "log").read_text() or processes.identify(child.pid) is not None


def test_the_marks_are_those_of_the_installed_command() -> None:
    assert module.MARK in (BESIDE / "perijove-singleuser").read_bytes()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_imports_nothing_that_others_can_change(tmp_path: Path) -> None:
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    packages.mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    interpreter = str(tmp_path / "bin" / "python")
    assert writable_by_others(interpreter, {}) is None
    packages.chmod(0o775)
    assert writable_by_others(interpreter, {}) == packages
    packages.chmod(0o755)
    os.chown(tmp_path / "bin", 1234, 1234)
    assert writable_by_others(interpreter, {}) == tmp_path / "bin"
    os.chown(tmp_path / "bin", 0, 0)
    (tmp_path / "shared").mkdir(mode=0o777)
    (tmp_path / "shared").chmod(0o777)
    assert writable_by_others(interpreter, {"PYTHONPATH": f"{packages}:{tmp_path}/shared"}) == tmp_path / "shared"
