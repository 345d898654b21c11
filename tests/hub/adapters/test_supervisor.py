"""A real process that forks others, which stand for hubs: they do what files in a folder tell them."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from perijove.hub.core.supervision import CRASHED

PATIENCE = 30.0
PROGRAM = """
import os, signal, sys
from pathlib import Path
from perijove.hub.adapters.supervisor import LET_GO, Supervisor, _has_terminal
from perijove.hub.adapters.telemetry.logs import configure_logging

configure_logging()
folder = Path(sys.argv[1])
if sys.argv[-1] == "check-config":
    sys.exit((folder / "mistake").exists())
(folder / "outdated").unlink(missing_ok=True)
print("program", os.getpid(), flush=True)
program = [sys.executable, *sys.orig_argv[1:]]
loaded = []
def preload():
    loaded.append("all")
    (folder / "preloaded").touch()
    if (folder / "half").exists():
        raise ImportError("half of it is replaced")
leash = Supervisor(
    program, dict(os.environ), outdated=(folder / "outdated").exists, has_terminal=_has_terminal, preload=preload
).run()
if isinstance(leash, int):
    sys.exit(leash)
print("forked", os.getpid(), "with", *loaded, flush=True)
if (folder / "mistake").exists():
    print("mistake", flush=True)
    sys.exit(1)
leash.configured()
if (folder / "fails").exists():
    print("fails", flush=True)
    sys.exit(1)
signal.signal(LET_GO, lambda *_: None if (folder / "deaf").exists() else sys.exit(0))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
signal.signal(signal.SIGUSR2, lambda *_: sys.exit(int((folder / "status").read_text())))
leash.up()
print("hub", os.getpid(), "of", leash.holder, flush=True)
while True:
    signal.pause()
"""


class Command:
    """The process under test, and what it and its hubs have printed."""

    def __init__(self, folder: Path, **options: object) -> None:
        self.folder = folder
        read, write = os.pipe()
        self._output, self.printed = read, ""
        command = [sys.executable, "-c", PROGRAM, str(folder)]
        self.process = subprocess.Popen(command, stdout=write, stderr=write, **options)  # type: ignore[call-overload]
        os.close(write)

    def reads(self, pattern: str) -> re.Match[str]:
        """Return the first match in what is printed next, and forget what stands before its end."""
        until = time.monotonic() + PATIENCE
        while (found := re.search(pattern, self.printed)) is None:
            assert time.monotonic() < until, f"{pattern} is not in {self.printed}"
            if select.select([self._output], [], [], 0.5)[0]:
                more = os.read(self._output, 65536).decode()
                assert more, f"{pattern} is not in {self.printed}"
                self.printed += more
        self.printed = self.printed[found.end() :]
        return found

    def hub(self) -> int:
        """Return the process id of the next hub, once it serves."""
        return int(self.reads(rf"hub (\d+) of {self.process.pid}\n")[1])

    def tell(self, name: str, text: str = "") -> None:
        (self.folder / name).write_text(text)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
        os.close(self._output)


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    """A command; what it forked dies with it."""
    made = Command(tmp_path)
    try:
        yield made
    finally:
        made.close()


def gone(pid: int) -> bool:
    """Whether the process has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def eventually(look: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_what_only_later_hubs_are_spared_is_loaded_once_beside_the_first(command: Command) -> None:
    command.reads(r"forked \d+ with\n")
    first = command.hub()
    eventually((command.folder / "preloaded").exists)
    for _ in range(2):
        os.kill(first, signal.SIGKILL)
        command.reads(r"forked \d+ with all\n")
        first = command.hub()


def test_what_cannot_be_loaded_beside_a_hub_ends_none(command: Command) -> None:
    command.tell("half")
    os.kill(command.hub(), signal.SIGKILL)
    command.hub()
    assert command.process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_hub_that_is_killed_has_a_successor(command: Command, number: signal.Signals) -> None:
    first = command.hub()
    os.kill(first, number)
    command.reads(f"the hub was killed by signal {number.name}; another one is started pid={first}")
    assert command.hub() != first


def test_a_hub_that_breaks_has_a_successor(command: Command) -> None:
    command.tell("status", str(CRASHED))
    os.kill(command.hub(), signal.SIGUSR2)
    command.reads(f"ended with exit status {CRASHED}; another one")
    command.hub()


def test_a_hub_that_decides_to_end_ends_the_command(command: Command) -> None:
    command.tell("status", "3")
    os.kill(command.hub(), signal.SIGUSR2)
    assert command.process.wait(PATIENCE) == 3


def test_a_start_that_fails_ends_the_command(tmp_path: Path) -> None:
    (tmp_path / "fails").touch()
    with contextlib.closing(Command(tmp_path)) as command:
        assert command.process.wait(PATIENCE) == 1


def test_a_successor_that_cannot_start_is_tried_again(command: Command) -> None:
    first = command.hub()
    command.tell("fails")
    os.kill(first, signal.SIGKILL)
    command.reads("fails")
    command.reads("fails")
    (command.folder / "fails").unlink()
    command.hub()


def test_being_told_to_end_is_passed_on(command: Command) -> None:
    command.hub()
    command.signal(signal.SIGTERM)
    assert command.process.wait(PATIENCE) == 5


def test_a_hub_that_dies_of_what_is_passed_on_is_what_happened_to_the_command(command: Command) -> None:
    command.hub()
    command.signal(signal.SIGINT)
    assert command.process.wait(PATIENCE) == -signal.SIGINT


def test_between_two_hubs_being_told_to_end_is_success(command: Command) -> None:
    first = command.hub()
    command.tell("fails")
    os.kill(first, signal.SIGKILL)
    for _ in range(2):
        command.reads("fails")
    command.reads("pause=1.000")
    command.signal(signal.SIGTERM)
    assert command.process.wait(PATIENCE) == 0


def test_a_hub_does_not_survive_whoever_forked_it(command: Command) -> None:
    hub = command.hub()
    command.signal(signal.SIGKILL)
    command.process.wait(PATIENCE)
    eventually(lambda: gone(hub))


def test_a_new_configuration_brings_a_new_hub(command: Command) -> None:
    first = command.hub()
    command.signal(signal.SIGHUP)
    second = command.hub()
    assert first != second
    assert gone(first)


def test_a_new_configuration_with_mistakes_changes_nothing(command: Command) -> None:
    first = command.hub()
    command.tell("mistake")
    command.signal(signal.SIGHUP)
    command.reads("mistake\n")
    command.reads("the hub goes on with the one that it has")
    assert not gone(first)
    (command.folder / "mistake").unlink()
    command.signal(signal.SIGHUP)
    assert command.hub() != first


def test_a_signal_for_the_command_does_not_disturb_the_hub_itself(command: Command) -> None:
    first = command.hub()
    os.kill(first, signal.SIGHUP)
    command.tell("mistake")
    command.signal(signal.SIGHUP)
    command.reads("the hub goes on")
    assert not gone(first)


def test_after_an_upgrade_the_successor_runs_what_is_installed(command: Command) -> None:
    command.reads("program")
    first = command.hub()
    command.tell("outdated")
    os.kill(first, signal.SIGKILL)
    assert int(command.reads(r"program (\d+)\n")[1]) == command.process.pid
    command.hub()


def test_after_an_upgrade_what_is_installed_checks_the_configuration(command: Command) -> None:
    command.reads("program")
    first = command.hub()
    command.tell("outdated")
    command.tell("mistake")
    command.signal(signal.SIGHUP)
    command.reads("the hub goes on")
    assert not gone(first)
    (command.folder / "mistake").unlink()
    command.signal(signal.SIGHUP)
    command.reads("program")
    assert command.hub() != first


def test_closing_the_terminal_ends_it_and_spares_the_servers(tmp_path: Path) -> None:
    """The hub is told to let go (status 0), not to stop (status 5); it hears nothing of the terminal itself."""
    leader, terminal = pty.openpty()
    with contextlib.closing(Command(tmp_path, stdin=terminal, preexec_fn=lambda: _own_terminal(terminal))) as command:
        os.close(terminal)
        hub = command.hub()
        os.close(leader)
        assert command.process.wait(PATIENCE) == -signal.SIGHUP
        assert gone(hub)


def _own_terminal(terminal: int) -> None:
    os.setsid()
    os.close(os.open(os.ttyname(terminal), os.O_RDWR))


def test_another_thread_is_an_error(tmp_path: Path) -> None:
    with contextlib.closing(Command(tmp_path)) as command:
        command.hub()
    threaded = f"import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()\n{PROGRAM}"
    done = subprocess.run(
        [sys.executable, "-c", threaded, str(tmp_path)], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert "has started a thread" in done.stderr
