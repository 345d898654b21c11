"""A proxy in a process of its own, for tests that measure or kill it."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class ProxyProcess:
    """A proxy that listens."""

    port: int
    process: asyncio.subprocess.Process


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def run_proxy(folder: Path, target: str, *flags: str, port: int = 0) -> AsyncIterator[ProxyProcess]:
    """Run ``perijove proxy`` before *target*, its log in *folder*; end it at the end, unless it has ended already."""
    port = port or free_port()
    command = [sys.executable, "-m", "perijove.proxy", "--ip", "127.0.0.1", "--port", str(port)]
    command += ["--api-socket", str(folder / "api.sock"), "--default-target", target, "--log-level", "error", *flags]
    env = {**os.environ, "CONFIGPROXY_AUTH_TOKEN": "secret"}
    with (folder / "proxy.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log, env=env)
    try:
        async with asyncio.timeout(PATIENCE):
            while not await _listens(port):
                assert process.returncode is None, (folder / "proxy.log").read_text()
                await asyncio.sleep(0.02)
        yield ProxyProcess(port, process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
