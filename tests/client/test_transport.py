from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from perijove.client.transport import HubUnavailable, StreamRefused, Transport


class Echo(RequestHandler):
    def answer(self) -> None:
        self.set_header("X-Seen", self.request.headers.get("X-Sent", ""))
        self.write({"method": self.request.method, "body": self.request.body.decode()})

    get = post = put = patch = delete = answer


class Elsewhere(RequestHandler):
    def get(self) -> None:
        self.redirect("/echo")


class Stream(RequestHandler):
    async def get(self, how: str) -> None:
        if how == "refused":
            self.set_status(404)
            self.finish({"message": "no"})
            return
        for number in range(3):
            self.write(str(number))
            await self.flush()
        if how == "hangs":
            await asyncio.Event().wait()


class Large(RequestHandler):
    def get(self) -> None:
        self.write("x" * 2000)


@pytest.fixture
async def url() -> AsyncIterator[str]:
    handlers = [("/echo", Echo), ("/elsewhere", Elsewhere), ("/stream/(.*)", Stream), ("/large", Large)]
    server = HTTPServer(Application(handlers))
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    server.stop()
    await server.close_all_connections()


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    transport = Transport(max_answer=1000)
    yield transport
    transport.close()


@pytest.mark.parametrize(
    ("method", "body"), [("GET", None), ("POST", "x"), ("PUT", None), ("DELETE", "x"), ("PATCH", "")]
)
async def test_send(transport: Transport, url: str, method: str, body: str | None) -> None:
    reply = await transport.send(f"{url}/echo", method=method, headers={"X-Sent": "1"}, body=body)
    assert (reply.status, reply.headers["x-seen"]) == (200, "1")
    assert reply.body.decode() == f'{{"method": "{method}", "body": "{body or ""}"}}'


async def test_no_redirect_is_followed(transport: Transport, url: str) -> None:
    reply = await transport.send(f"{url}/elsewhere")
    assert (reply.status, reply.headers["location"]) == (302, "/echo")


@pytest.mark.parametrize("path", ["/large", "/stream/hangs"])
async def test_too_much_or_too_slow(transport: Transport, url: str, path: str) -> None:
    with pytest.raises(HubUnavailable):
        await transport.send(url + path, timeout=0.2)


async def test_nobody_there(transport: Transport) -> None:
    with pytest.raises(HubUnavailable):
        await transport.send("http://127.0.0.1:9/")
    with pytest.raises(HubUnavailable):
        [piece async for piece in transport.stream("http://127.0.0.1:9/", headers={}, idle=5, timeout=5)]


async def test_stream(transport: Transport, url: str) -> None:
    async with aclosing(transport.stream(f"{url}/stream/ends", headers={}, idle=5, timeout=5)) as pieces:
        assert b"".join([piece async for piece in pieces]) == b"012"


async def test_stream_that_goes_silent(transport: Transport, url: str) -> None:
    seen = b""
    with pytest.raises(HubUnavailable):
        async for piece in transport.stream(f"{url}/stream/hangs", headers={}, idle=0.2, timeout=1):
            seen += piece
    assert seen == b"012"


async def test_stream_that_is_refused(transport: Transport, url: str) -> None:
    with pytest.raises(StreamRefused) as error:
        [piece async for piece in transport.stream(f"{url}/stream/refused", headers={}, idle=5, timeout=5)]
    assert (error.value.reply.status, error.value.reply.body) == (404, b'{"message": "no"}')


def test_a_program_may_be_put_together_before_its_event_loop_runs() -> None:
    transport = Transport()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(HubUnavailable):
            asyncio.run(asyncio.wait_for(transport.send(url, timeout=0.1), 10))
    transport.close()
    Transport().close()
