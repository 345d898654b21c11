from __future__ import annotations

import asyncio

import pytest

from perijove.hub.adapters.probe import HttpProbe
from perijove.hub.ports.probe import Probe


@pytest.mark.parametrize(("status", "expected"), [(200, True), (302, True), (404, True), (500, False), (503, False)])
async def test_any_answer_below_500_is_one(status: int, expected: bool) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} X\r\nLocation: /\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        writer.close()

    probe: Probe = HttpProbe()
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await probe.answers(f"http://127.0.0.1:{port}/") is expected
    assert not await probe.answers(f"http://127.0.0.1:{port}/")
