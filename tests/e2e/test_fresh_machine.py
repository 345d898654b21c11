"""Two commands on a fresh machine: a clone with no virtual environment, and a plain `pip install`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tests.support.hubs import RunningHub, alive

BASE_PYTHON = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
SETUP_SECONDS = 300


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Path:
    """The files that git knows, as they are now, in an empty folder."""
    folder = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (source := checkout / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name)
    return folder


def stop_cleanly(hub: RunningHub) -> None:
    """Press Ctrl-C and see that nothing is left; make itself passes the signal on as its own end."""
    proxy = hub.proxy_pid
    assert hub.stop() in {0, -signal.SIGINT}, hub.log
    assert hub.log.rstrip().endswith("stopped"), hub.log
    assert not alive(proxy)


def test_make_run_sets_up_starts_and_stops_with_ctrl_c(clone: Path, make_hub: Callable[..., RunningHub]) -> None:
    hub = make_hub(command=["make", "--no-print-directory", "-C", str(clone), "run", f"PYTHON={BASE_PYTHON}"])
    hub.pass_flags = lambda flags: [f"ARGS={' '.join(flags)}"]
    hub.start_seconds = SETUP_SECONDS

    first = hub.start()

    assert "setup:" in first, "set-up shows no progress"
    assert httpx.get(f"{hub.url}/hub/health", trust_env=False).status_code == 200
    assert (clone / ".venv" / "bin" / "perijove").exists()
    stop_cleanly(hub)

    second = hub.start()

    assert "Installing" not in second
    assert "Installed" not in second
    stop_cleanly(hub)


def test_pip_install_gives_the_same_command(clone: Path, make_hub: Callable[..., RunningHub], tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([str(BASE_PYTHON), "-m", "venv", "--without-pip", str(environment)], check=True)
    constraints = clone / "constraints.txt"
    subprocess.run(
        [
            str(uv),
            "pip",
            "install",
            "-q",
            "-p",
            str(environment / "bin" / "python"),
            "-c",
            str(constraints),
            str(clone),
        ],
        check=True,
        timeout=SETUP_SECONDS,
        env=os.environ | {"UV_PYTHON_DOWNLOADS": "never"},
    )
    hub = make_hub(command=[str(environment / "bin" / "perijove")])
    hub.start()
    assert "/hub/setup?code=" in hub.setup_link()
    assert httpx.get(f"{hub.url}/hub/login", trust_env=False).status_code == 200
    assert hub.process is not None
    hub.process.send_signal(signal.SIGTERM)
    assert hub.process.wait(30) == 0
