from __future__ import annotations

import secrets
import subprocess
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from perijove.hub.adapters import processes
from perijove.hub.adapters.spawners.processes import Run

StartProcess = Callable[..., subprocess.Popen[bytes]]


def new_run() -> Run:
    return Run(secrets.token_hex(16), 8888)


def led_by(run: Run, child: subprocess.Popen[bytes]) -> Run:
    return replace(run, leader=processes.identify(child.pid))


def test_a_run_survives_being_stored(start_process: StartProcess) -> None:
    run = new_run()
    assert Run.from_state(run.to_state()) == run
    led = led_by(run, start_process("sleep 600"))
    assert Run.from_state(led.to_state()) == led


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"pid": 7},
        {"run": "a" * 32},
        {"run": "a" * 32, "port": 0},
        {"run": "a" * 32, "port": 70000},
        {"run": "a" * 32, "port": "8888"},
        {"run": "../../x", "port": 8888},
        {"run": ["a"], "port": 8888},
    ],
)
def test_anything_else_is_no_run(state: dict[str, object]) -> None:
    assert Run.from_state(state) is None
