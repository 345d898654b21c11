from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from traitlets.config import Config

from perijove.singleuser.kernels import provisioner as module
from perijove.singleuser.kernels.provisioner import (
    KERNELS,
    NAME,
    CopiedKernel,
    NotCopied,
    PreparedProvisioner,
    is_copyable,
    is_installed,
)
from perijove.wire.launching import PREPARED, LaunchRequest

WAIT = 60.0


def test_only_ipython_of_this_interpreter_is_copied() -> None:
    assert is_copyable([sys.executable, "-m", "ipykernel_launcher", "-f", "x.json"])
    assert is_copyable([sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "x.json"])
    assert not is_copyable(["/elsewhere/python", "-m", "ipykernel_launcher", "-f", "x.json"])
    assert not is_copyable([sys.executable, "-X", "dev", "-m", "ipykernel_launcher"])
    assert not is_copyable([sys.executable, "-m", "bash_kernel", "-f", "x.json"])
    assert not is_copyable([])


def test_it_is_known_whether_jupyter_finds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    look = is_installed.__wrapped__
    assert look()
    monkeypatch.setattr(module, "NAME", "another-provisioner")
    assert not look()
    monkeypatch.setattr(module, "DISTRIBUTION", "no-such-distribution")
    assert not look()


@pytest.fixture
def prepared() -> Iterator[None]:
    """Kernels can be copied."""
    KERNELS.begin()
    assert KERNELS._control is not None
    KERNELS._control.settimeout(WAIT)
    assert KERNELS._control.recv(16) == PREPARED
    KERNELS._control.settimeout(None)
    KERNELS._prepared = True
    yield
    module.give_up()


@pytest.fixture
async def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AsyncKernelManager]:
    """Jupyter's manager of one kernel, with our provisioner; the kernel is gone after the test."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    (tmp_path / "runtime").mkdir()
    KernelProvisionerFactory.clear_instance()
    config = Config({"KernelProvisionerFactory": {"default_provisioner_name": NAME}})
    KernelProvisionerFactory.instance(config=config)
    made = AsyncKernelManager(kernel_name="python3")
    yield made
    if made.has_kernel:
        await made.shutdown_kernel(now=True)
    KernelProvisionerFactory.clear_instance()


async def start(manager: AsyncKernelManager, **options: Any) -> Any:
    """Start the kernel and return a client of it."""
    await manager.start_kernel(**options)
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=WAIT)
    return client


async def printed(client: Any, code: str) -> str:
    """Run *code* in the kernel and return what it printed."""
    texts = []
    reply = await client.execute_interactive(
        code, timeout=WAIT, output_hook=lambda message: texts.append(message["content"].get("text", ""))
    )
    return f"{reply['content']['status']}: {''.join(texts)}"


def process(manager: AsyncKernelManager) -> Any:
    assert isinstance(manager.provisioner, PreparedProvisioner)
    return manager.provisioner.process


@pytest.mark.usefixtures("prepared")
async def test_a_copied_kernel_works_restarts_is_interrupted_and_stops(
    manager: AsyncKernelManager, tmp_path: Path
) -> None:
    client = await start(manager, cwd=str(tmp_path))
    first = process(manager)
    assert isinstance(first, CopiedKernel)
    assert await printed(client, "import os; print(6 * 7, os.getpid(), os.getcwd(), __name__)") == (
        f"ok: 42 {first.pid} {tmp_path} __main__\n"
    )
    waiting = client.execute("import time; print('here', flush=True); time.sleep(600)")
    while (await client.get_iopub_msg(timeout=WAIT))["content"].get("text") != "here\n":
        pass
    await manager.interrupt_kernel()
    while (reply := await client.get_shell_msg(timeout=WAIT))["parent_header"]["msg_id"] != waiting:
        pass
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    await manager.restart_kernel(now=True)
    await client.wait_for_ready(timeout=WAIT)
    assert process(manager).pid != first.pid
    assert await printed(client, "print('again')") == "ok: again\n"
    client.stop_channels()
    await manager.shutdown_kernel()
    assert not manager.has_kernel


@pytest.mark.usefixtures("prepared")
async def test_a_kernel_that_dies_is_noticed(manager: AsyncKernelManager) -> None:
    client = await start(manager)
    client.stop_channels()
    kernel = process(manager)
    os.kill(kernel.pid, signal.SIGKILL)
    kernel._connection.settimeout(WAIT)
    kernel._buffer += kernel._connection.recv(4096)
    assert kernel.poll() == -signal.SIGKILL
    assert not await manager.is_alive()


@pytest.mark.usefixtures("prepared")
async def test_what_has_to_be_executed_is_executed(manager: AsyncKernelManager) -> None:
    client = await start(manager, env=dict(os.environ) | {"PYTHONDEVMODE": "1"})
    assert not isinstance(process(manager), CopiedKernel)
    assert await printed(client, "import sys; print(sys.flags.dev_mode)") == "ok: True\n"
    client.stop_channels()


async def test_the_first_kernel_does_not_wait_for_the_preparation(manager: AsyncKernelManager) -> None:
    module.give_up()
    client = await start(manager)
    assert not isinstance(process(manager), CopiedKernel)
    assert await printed(client, "print(1)") == "ok: 1\n"
    assert KERNELS._control is not None
    client.stop_channels()
    module.give_up()


@pytest.mark.usefixtures("prepared")
async def test_kernels_go_on_when_what_they_were_copied_from_is_killed(manager: AsyncKernelManager) -> None:
    client = await start(manager)
    kernel = process(manager)
    parent = KERNELS._process
    assert parent is not None
    parent.kill()
    parent.wait()
    assert await printed(client, "print('still here')") == "ok: still here\n"
    assert kernel.poll() is None
    client.stop_channels()
    await manager.shutdown_kernel(now=True)
    with pytest.raises(NotCopied):
        KERNELS.launch(LaunchRequest((sys.executable,), {}, "/"))


@pytest.mark.usefixtures("prepared")
async def test_what_asks_the_group_of_the_server_to_finish_leaves_its_kernels_to_it(
    manager: AsyncKernelManager,
) -> None:
    assert KERNELS._process is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        KERNELS._process.send_signal(number)
    client = await start(manager)
    client.stop_channels()
    kernel = process(manager)
    assert isinstance(kernel, CopiedKernel)
    kernel.terminate()
    kernel._connection.settimeout(WAIT)
    kernel._buffer += kernel._connection.recv(4096)
    assert kernel.poll() == -signal.SIGTERM


def test_a_kernel_that_nobody_reaps_has_ended_all_the_same() -> None:
    ours, theirs = socket.socketpair()
    with theirs, subprocess.Popen([sys.executable, "-c", ""]) as child:
        kernel = CopiedKernel(child.pid, ours)
        theirs.close()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert kernel.poll() == -signal.SIGKILL
