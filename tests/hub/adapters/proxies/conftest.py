"""A small stand-in for the admin API that answers what a test tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest


@dataclass
class FakeApi:
    """Answers each request with the next of `answers`, the last one again and again. ``None`` hangs up."""

    port: int = 0
    answers: list[tuple[int, str] | None] = field(default_factory=lambda: [(200, "{}")])
    requests: list[tuple[str, dict[str, str], str]] = field(default_factory=list)
    inside: int = 0
    most: int = 0
    pause: float = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                line, *fields = head.strip().split("\r\n")
                headers = {name.lower(): value for name, value in (each.split(": ", 1) for each in fields)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.requests.append((line.removesuffix(" HTTP/1.1"), headers, body.decode()))
                self.inside += 1
                self.most = max(self.most, self.inside)
                await asyncio.sleep(self.pause)
                self.inside -= 1
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if answer is None:
                    break
                status, content = answer
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\n\r\n{content}".encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    """An admin API at a free port."""
    fake = FakeApi()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    async with server:
        yield fake
