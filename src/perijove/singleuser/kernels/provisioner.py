"""Jupyter's provisioner for kernels that are copied from a prepared process; all others are executed as always.

Its name in Jupyter is `perijove-provisioner`. A kernel that is not IPython of this very interpreter, or that cannot be
copied for whatever reason, is executed.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.metadata
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from perijove.wire.launching import COPY, PREPARED, LaunchError, LaunchRequest

NAME = "perijove-provisioner"
DISTRIBUTION = "perijove"
ANSWER_SECONDS = 10.0
INTERPRETER_FLAGS = ("-Xfrozen_modules=off",)
"""What a kernel's command may say to the interpreter without needing one of its own."""
UNDERSTOOD = frozenset({"cwd", "env", "extra_arguments", "kernel_id", "independent"})
"""What a kernel may be launched with to be copied."""


class NotCopied(Exception):
    """The kernel has to be executed; the message says why."""


def is_copyable(cmd: list[str]) -> bool:
    """Say whether *cmd* starts an IPython kernel with this interpreter."""
    plain = [word for word in cmd if word not in INTERPRETER_FLAGS]
    return plain[:3] == [sys.executable, "-m", "ipykernel_launcher"]


class CopiedKernel:
    """A kernel that was copied, with the part of `subprocess.Popen` that provisioners use."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._connection = connection
        self._buffer = b""
        connection.setblocking(False)

    def poll(self) -> int | None:
        """Return the exit status (negative: the signal) if the kernel has ended, else None."""
        if self.returncode is None:
            self._listen()
        return self.returncode

    def _listen(self) -> None:
        try:
            part = self._connection.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        self._buffer += part
        if b"\n" in self._buffer:
            self.returncode = int(json.loads(self._buffer.partition(b"\n")[0])["exit"])
        elif not part and not self._lives():
            # The process it was copied from ended before it, and told nobody.
            self.returncode = -signal.SIGKILL
        if self.returncode is not None:
            self._connection.close()

    def _lives(self) -> bool:
        """Say whether it runs: one that nobody has reaped does not."""
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
        except OSError:
            return False

    def wait(self) -> int | None:
        """Return the exit status of a kernel that has ended."""
        return self.poll()

    def send_signal(self, number: int) -> None:
        """Send a signal; nothing happens if the kernel is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it by force."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


class Kernels:
    """The process of this server that kernels are copied from."""

    def __init__(self) -> None:
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._prepared = False
        self._lock = threading.Lock()

    def adopt(self, control: socket.socket) -> None:
        """Use a process that is there already."""
        self.close()
        self._control = control

    def close(self) -> None:
        """Let the process end."""
        if self._control is not None:
            self._control.close()
        self._control, self._prepared = None, False
        if self._process is not None:
            # It has nothing to finish; kernels that were copied from it live on.
            self._process.kill()
            self._process.wait()
            self._process = None

    def begin(self) -> None:
        """Start the process; nobody waits for it."""
        self.close()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "perijove.singleuser.kernels"], stdin=theirs.fileno(), cwd="/", close_fds=True
            )
        self._control = ours

    def launch(self, request: LaunchRequest) -> CopiedKernel:
        """Copy the process and let the copy become the kernel that *request* describes; return when it can be reached.

        Blocks for a moment.

        Raises:
            NotCopied: nothing was started.
        """
        with self._lock:
            control = self._ready()
            ours, theirs = socket.socketpair()
            ours.settimeout(ANSWER_SECONDS)
            try:
                with theirs:
                    socket.send_fds(control, [COPY], [theirs.fileno(), 1])
                pid = self._answer(ours, "copy")
                ours.sendall(request.encode())
                self._answer(ours, "runs")
                self._answer(ours, "listens")
            except (OSError, ValueError, LaunchError) as error:
                ours.close()
                raise NotCopied(f"{type(error).__name__}: {error}") from error
            except NotCopied:
                ours.close()
                raise
        return CopiedKernel(pid, ours)

    def _ready(self) -> socket.socket:
        control = self._control
        if control is None:
            self.begin()
            raise NotCopied("no process is prepared yet")
        if not self._prepared:
            control.setblocking(False)
            try:
                said = control.recv(16)
            except BlockingIOError:
                raise NotCopied("no process is prepared yet") from None
            if said != PREPARED:
                self.close()
                raise NotCopied("the process to copy ended before it was ready")
            control.setblocking(True)
            self._prepared = True
        return control

    def _answer(self, connection: socket.socket, expected: str) -> int:
        line = b""
        while not line.endswith(b"\n"):
            part = connection.recv(1)
            if not part:
                break
            line += part
        answer: dict[str, Any] = json.loads(line or b"{}")
        if answer.get("stale"):
            self.begin()
        if expected not in answer:
            raise NotCopied(str(answer.get("error") or "the copy ended at once"))
        return int(answer[expected])


KERNELS = Kernels()
"""Of this server: one process, one place that kernels are copied from."""


class PreparedProvisioner(LocalProvisioner):
    """Copies IPython kernels, executes all others."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Start the kernel and return how to connect to it."""
        try:
            process = await asyncio.to_thread(KERNELS.launch, self._request(cmd, kwargs))
        except NotCopied as error:
            self.log.info("A kernel is executed, not copied: %s", error)
            return await super().launch_kernel(cmd, **kwargs)
        self.process = process  # type: ignore[assignment]  # what is needed of Popen
        self.pid = self.pgid = process.pid
        self.cwd = kwargs.get("cwd", Path.cwd())
        return self.connection_info

    def _request(self, cmd: list[str], kwargs: dict[str, Any]) -> LaunchRequest:
        if not is_copyable(cmd):
            raise NotCopied("it is not IPython of this interpreter")
        if kwargs.get("independent") or not kwargs.keys() <= UNDERSTOOD:
            raise NotCopied("it is launched in a way of its own")
        env = kwargs.get("env") or os.environ
        return LaunchRequest(tuple(cmd), dict(env), str(kwargs.get("cwd") or Path.cwd()))


@functools.cache
def is_installed() -> bool:
    """Say whether Jupyter finds this provisioner by its name. Prepared processes know before they are copied."""
    try:
        own = importlib.metadata.distribution(DISTRIBUTION).entry_points
    except importlib.metadata.PackageNotFoundError:
        return False
    return NAME in own.select(group=KernelProvisionerFactory.GROUP_NAME).names


def adopt(control: socket.socket) -> None:
    """Let kernels of this server be copied by the process at the other end of *control*."""
    KERNELS.adopt(control)


def give_up() -> None:
    """Let no more kernels be copied; what prepared them ends."""
    with contextlib.suppress(OSError):
        KERNELS.close()
