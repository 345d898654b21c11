"""Processes to look at, all ended with the test."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest

StartProcess = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start_process() -> Iterator[StartProcess]:
    """A function that starts a shell command as leader of a session; its output can be read."""
    started: list[subprocess.Popen[bytes]] = []

    def start(command: str, **env: str) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            ["sh", "-c", command], env={**os.environ, **env}, stdout=subprocess.PIPE, start_new_session=True
        )
        started.append(child)
        return child

    yield start
    for child in started:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        if child.stdout:
            child.stdout.close()
