"""Processes under test: starting and ending them, and what they take of the machine, from /proc (Linux)."""

from __future__ import annotations

import os
import platform
import random
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
MEGABYTE = 1e6


class CannotMeasure(Exception):
    """Why a program is left out, in words for the table."""


def free_port() -> int:
    """Return a TCP port that nothing listens on; none of those that the kernel gives to outgoing connections."""
    while True:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", random.randrange(12_000, 32_000)))
            return int(probe.getsockname()[1])


def family(pid: int) -> list[int]:
    """Return *pid* and all processes below it."""
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            with suppress(FileNotFoundError, ProcessLookupError):  # it has ended since
                found += [int(child) for child in task.read_text().split()]
    return found


def cpu_seconds(pid: int, *, alone: bool = False) -> float:
    """The processor time that *pid* and, unless *alone*, the processes below it have taken."""
    ticks = 0
    for each in [pid] if alone else family(pid):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended since
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


def _status(pid: int, name: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(float(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":"))


def resident(pid: int) -> float:
    """Resident bytes of *pid* and the processes below it; what several share counts once for each."""
    return sum(_status(each, "VmRSS") for each in family(pid))


def _rollup(pid: int, *names: str) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(float(line.split()[1]) * 1024 for line in lines if line.startswith(tuple(f"{name}:" for name in names)))


def proportional(pid: int) -> float:
    """Resident bytes of *pid* alone, where what n processes share counts one n-th for each (PSS)."""
    return _rollup(pid, "Pss")


def private(pid: int) -> float:
    """Bytes that *pid* has written and shares with nobody."""
    return _rollup(pid, "Private_Dirty")


def peak(pid: int) -> float:
    """The most resident bytes since ``reset_peak``."""
    return sum(_status(each, "VmHWM") for each in family(pid))


def reset_peak(pid: int) -> None:
    """Let ``peak`` count from now on."""
    for each in family(pid):
        Path(f"/proc/{each}/clear_refs").write_text("5")


def open_files(pid: int) -> int:
    """The number of open file descriptors of *pid* and the processes below it."""
    return sum(len(list(Path(f"/proc/{each}/fd").iterdir())) for each in family(pid))


def await_port(port: int, process: subprocess.Popen[bytes], seconds: float = 20.0) -> None:
    """Wait until something listens on *port*. Raises CannotMeasure if it never does."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise CannotMeasure("it did not start")


@contextmanager
def running(
    command: Sequence[str],
    log: Path,
    env: Mapping[str, str] | None = None,
    processors: set[int] | None = None,
    seconds: float = 10,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run *command* on *processors*, its output in *log*; end it at the end, by force after *seconds*."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, env={**os.environ, **(env or {})}, stdout=output, stderr=output)
    try:
        if processors:
            os.sched_setaffinity(process.pid, processors)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def kept_to(processors: set[int]) -> Iterator[None]:
    """Keep this program, and what it starts meanwhile, to *processors*."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def version_of(command: Sequence[str], word: int = -1) -> str:
    """The *word*-th word of what *command* prints."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return "?"
    words = (done.stdout + done.stderr).split()
    return words[word] if words else "?"


def machine() -> str:
    """The machine in one line."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return f"{os.cpu_count()} × {models[0] if models else platform.processor()}, Linux {platform.release()}"
