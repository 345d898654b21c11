"""Slow clients by the hundred (slowhttptest, a Debian package): the proxy goes on serving everybody else."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.proxies import ProxyProcess, run_proxy

SLOWHTTPTEST = shutil.which("slowhttptest")
pytestmark = pytest.mark.skipif(SLOWHTTPTEST is None, reason="slowhttptest is not installed")

CONNECTIONS = 300
SECONDS = 8
ATTACKS = {
    "slow heads": ["-H", "-i", "1"],
    "slow bodies": ["-B", "-i", "1", "-s", "100000"],
    "slow reads": ["-X", "-n", "1", "-w", "512", "-y", "1024", "-z", "32", "-k", "3"],
}


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each request with a page large enough to fill the buffers of a client that does not read."""
    page = b"x" * 200_000
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"POST"):
                await reader.readexactly(100_000)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(page), page))
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        writer.close()


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[ProxyProcess]:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with run_proxy(tmp_path, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as running:
        yield running
    server.close()


def open_files(pid: int) -> int:
    """The number of open file descriptors of a process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def resident(pid: int) -> int:
    """The resident bytes of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


async def seconds_to_answer(port: int) -> float:
    """How long one honest request takes, connecting included."""
    begin = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /honest HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    whole = await reader.read()
    writer.close()
    assert whole.startswith(b"HTTP/1.1 200 ")
    assert len(whole) > 200_000
    return time.monotonic() - begin


@pytest.mark.parametrize("flags", ATTACKS.values(), ids=ATTACKS)
async def test_others_are_served_meanwhile(proxy: ProxyProcess, flags: list[str], tmp_path: Path) -> None:
    pid = proxy.process.pid
    files, memory = open_files(pid), resident(pid)
    load = ["-c", str(CONNECTIONS), "-r", str(CONNECTIONS), "-l", str(SECONDS), "-p", "5", "-v", "0"]
    attack = await asyncio.create_subprocess_exec(
        str(SLOWHTTPTEST),
        *flags,
        *load,
        "-u",
        f"http://127.0.0.1:{proxy.port}/slow",
        cwd=tmp_path,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    most, slowest, served = files, 0.0, 0
    while attack.returncode is None:
        slowest = max(slowest, await asyncio.wait_for(seconds_to_answer(proxy.port), 10))
        served += 1
        most = max(most, open_files(pid))
        await asyncio.sleep(0.05)
    assert most > files + CONNECTIONS / 2, "the attack did not hold its connections open"
    assert served > 20
    assert slowest < 3
    assert resident(pid) - memory < 400 * CONNECTIONS * 1024
    deadline = time.monotonic() + 20
    while open_files(pid) > files + 4:
        assert time.monotonic() < deadline, "connections of the attack stayed open"
        await asyncio.sleep(0.1)
