"""Processes to look at, all ended with the test."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest

from perijove.hub.adapters import processes

StartProcess = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start_process() -> Iterator[StartProcess]:
    """A function that starts a shell command as leader of a session; its output can be read."""
    started: list[subprocess.Popen[bytes]] = []
    mark = secrets.token_hex(16)

    def start(command: str, **env: str) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            ["sh", "-c", command],
            env={**os.environ, **env, "STARTED_BY_TEST": mark},
            stdout=subprocess.PIPE,
            start_new_session=True,
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
    for process in processes.all_processes():
        if processes.has_variable(process.pid, "STARTED_BY_TEST", mark):
            processes.send_signal(process.identity, signal.SIGKILL)
