"""Known ways to smuggle a request past a proxy, as bytes: each is answered 400 and the connection closed.

Behind each vector stands a second request. Whatever the first is taken for, the second must never reach the back-end,
neither as a request of its own nor in a body, and the back-end must not get more than the one request in front.
"""

from __future__ import annotations

import asyncio

import pytest
from tests.proxy.conftest import Clients, Proxies, Upstreams

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
CHUNKED_HEAD = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


def post(
    *fields: bytes, body: bytes = b"0\r\n\r\n", line: bytes = b"POST /a HTTP/1.1", host: bytes = b"Host: h"
) -> bytes:
    lines = [line, *([host] if host else []), *fields]
    return b"".join(each + b"\r\n" for each in lines) + b"\r\n" + body


# Refused before anything is sent on.
HEADS = {
    "CL.TE": post(b"Content-Length: 6", b"Transfer-Encoding: chunked"),
    "TE.CL": post(b"Transfer-Encoding: chunked", b"Content-Length: 4"),
    "CL.TE with a length of zero": post(b"Content-Length: 0", b"Transfer-Encoding: chunked"),
    "TE.TE, two fields": post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
    "TE.TE, twice chunked": post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "TE in a list": post(b"Transfer-Encoding: identity, chunked"),
    "TE chunked first": post(b"Transfer-Encoding: chunked, gzip"),
    "TE unknown": post(b"Transfer-Encoding: xchunked"),
    "TE identity": post(b"Transfer-Encoding: identity"),
    "TE empty": post(b"Transfer-Encoding:"),
    "TE quoted": post(b'Transfer-Encoding: "chunked"'),
    "TE with a parameter": post(b"Transfer-Encoding: chunked;a=b"),
    "TE with a vertical tab": post(b"Transfer-Encoding: \x0bchunked"),
    "TE with a form feed": post(b"Transfer-Encoding: chunked\x0c"),
    "TE with NUL": post(b"Transfer-Encoding: chunked\0"),
    "TE with a no-break space": post(b"Transfer-Encoding: \xa0chunked"),
    "TE with space before the colon": post(b"Transfer-Encoding : chunked"),
    "TE with a tab before the colon": post(b"Transfer-Encoding\t: chunked"),
    "TE behind a space": post(b" Transfer-Encoding: chunked"),
    "TE folded": post(b"Transfer-Encoding:\r\n chunked"),
    "TE folded in another field": post(b"X: y\r\n Transfer-Encoding: chunked"),
    "TE behind a bare carriage return": post(b"X: y\rTransfer-Encoding: chunked"),
    "TE behind a bare line feed": post(b"X: y\nTransfer-Encoding: chunked"),
    "TE with NUL in its name": post(b"Transfer-\0Encoding: chunked"),
    "TE in HTTP/1.0": post(b"Transfer-Encoding: chunked", line=b"POST /a HTTP/1.0"),
    "CL twice": post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello"),
    "CL twice the same": post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"),
    "CL in a list": post(b"Content-Length: 5, 5", body=b"hello"),
    "CL negative": post(b"Content-Length: -1", body=b""),
    "CL with a plus": post(b"Content-Length: +5", body=b"hello"),
    "CL hexadecimal": post(b"Content-Length: 0x5", body=b"hello"),
    "CL with an underscore": post(b"Content-Length: 1_0", body=b"hellohello"),
    "CL with a fraction": post(b"Content-Length: 5.0", body=b"hello"),
    "CL with a space inside": post(b"Content-Length: 5 5", body=b"hello"),
    "CL in other digits": post("Content-Length: \u0665".encode(), body=b"hello"),
    "CL too large": post(b"Content-Length: 99999999999999999999", body=b"hello"),
    "CL empty": post(b"Content-Length:", body=b""),
    "CL with space before the colon": post(b"Content-Length : 5", body=b"hello"),
    "CL folded": post(b"Content-Length:\r\n 5", body=b"hello"),
    "CL with NUL": post(b"Content-Length: 5\0", body=b"hello"),
    "bare line feeds throughout": b"POST /a HTTP/1.1\nHost: h\nContent-Length: 5\n\nhello",
    "bare line feed before the empty line": b"POST /a HTTP/1.1\r\nHost: h\n\r\n",
    "bare carriage return in a value": post(b"X: a\rb", body=b""),
    "NUL in a value": post(b"X: a\0b", body=b""),
    "a line without a colon": post(b"nonsense", body=b""),
    "an empty name": post(b": value", body=b""),
    "a folded first field": b"POST /a HTTP/1.1\r\n Host: h\r\n\r\n",
    "Host twice": post(b"Host: other", body=b""),
    "Host twice the same": post(b"Host: h", body=b""),
    "no Host": post(host=b"", body=b""),
    "an empty Host": post(host=b"Host:", body=b""),
    "Host with a path": post(host=b"Host: h/x", body=b""),
    "Host with a user": post(host=b"Host: u@h", body=b""),
    "Host with a comma": post(host=b"Host: h, other", body=b""),
    "an absolute target for another host": post(line=b"POST http://other/a HTTP/1.1", body=b""),
    "an absolute target with a user": post(line=b"POST http://h@other/a HTTP/1.1", body=b""),
    "an absolute target of another scheme": post(line=b"POST ftp://h/a HTTP/1.1", body=b""),
    "a target without a slash": post(line=b"POST a HTTP/1.1", body=b""),
    "an authority as target": post(line=b"CONNECT h:80 HTTP/1.1", body=b""),
    "a space in the target": post(line=b"POST /a HTTP/1.1 HTTP/1.1", body=b""),
    "a tab for a space": post(line=b"POST\t/a HTTP/1.1", body=b""),
    "two spaces": post(line=b"POST  /a HTTP/1.1", body=b""),
    "a space in front": post(line=b" POST /a HTTP/1.1", body=b""),
    "a space behind": post(line=b"POST /a HTTP/1.1 ", body=b""),
    "a lower-case version": post(line=b"POST /a http/1.1", body=b""),
    "no version": post(line=b"POST /a", body=b""),
    "a method with a control character": post(line=b"PO\x01ST /a HTTP/1.1", body=b""),
}

# The head is right and may have been sent on already; the body then is not.
BODIES = {
    "size with a sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "size negative": b"-5\r\nhello\r\n0\r\n\r\n",
    "size as 0x5": b"0x5\r\nhello\r\n0\r\n\r\n",
    "size with an underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "size empty": b"\r\nhello\r\n0\r\n\r\n",
    "size behind a space": b" 5\r\nhello\r\n0\r\n\r\n",
    "size overflowing": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "size line ended by a bare line feed": b"5\nhello\r\n0\r\n\r\n",
    "size line ended by a bare carriage return": b"5\rhello\r\n0\r\n\r\n",
    "extension with a line feed": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "extension with a carriage return": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "extension with NUL": b"5;a\0\r\nhello\r\n0\r\n\r\n",
    "extension without end": b"5;" + b"a" * 9000,
    "chunk longer than its size": b"3\r\nhello\r\n0\r\n\r\n",
    "chunk without its line end": b"5\r\nhello0\r\n\r\n",
    "chunk ended by a bare line feed": b"5\r\nhello\n0\r\n\r\n",
    "chunk ended by two other bytes": b"5\r\nhelloXX0\r\n\r\n",
    "trailer folded": b"0\r\nA: b\r\n c\r\n\r\n",
    "trailer with space before the colon": b"0\r\nA : b\r\n\r\n",
    "trailer without a colon": b"0\r\nnonsense\r\n\r\n",
    "end by a bare line feed": b"0\r\n\nX",
}


class Backend:
    """Counts what reaches it, answers every request, and remembers every byte."""

    def __init__(self) -> None:
        self.seen = b""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            self.seen += data
            if b"\r\n\r\n" in data and b"Transfer-Encoding: chunked" not in data:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


async def answers_to(data: bytes, start_proxy: Proxies, upstream: Upstreams, connect: Clients) -> tuple[bytes, bytes]:
    """Return all that a client gets for *data* until the connection is closed, and all that reached the back-end."""
    backend = Backend()
    proxy = await start_proxy({"/": await upstream(backend)})
    client = await connect(proxy.port)
    await client.send(data)
    return await client.until_end(), backend.seen


@pytest.mark.parametrize("vector", HEADS.values(), ids=HEADS)
async def test_an_ambiguous_head(vector: bytes, start_proxy: Proxies, upstream: Upstreams, connect: Clients) -> None:
    got, seen = await answers_to(vector + SMUGGLED, start_proxy, upstream, connect)
    assert got.startswith(b"HTTP/1.1 400 ")
    assert got.count(b"HTTP/1.1 ") == 1
    assert b"\r\nConnection: close\r\n" in got
    assert seen == b""


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_an_ambiguous_body(body: bytes, start_proxy: Proxies, upstream: Upstreams, connect: Clients) -> None:
    got, seen = await answers_to(CHUNKED_HEAD + body + SMUGGLED, start_proxy, upstream, connect)
    assert got.startswith(b"HTTP/1.1 400 ")
    assert got.count(b"HTTP/1.1 ") == 1
    assert b"\r\nConnection: close\r\n" in got
    assert b"/smuggled" not in seen
    assert seen.count(b"HTTP/1.1\r\n") <= 1


async def test_a_request_behind_a_whole_one_is_a_request_of_its_own(
    start_proxy: Proxies, upstream: Upstreams, connect: Clients
) -> None:
    """CL.0: a body that a back-end ignores is still a body here, so nothing in it is ever taken for a request."""
    backend = Backend()
    proxy = await start_proxy({"/": await upstream(backend)})
    client = await connect(proxy.port)
    await client.send(post(b"Content-Length: %d" % len(SMUGGLED), body=SMUGGLED))
    assert (await client.answer())[0] == 200
    status, _, _ = await client.get("/next")
    assert status == 200
    heads = [line for line in backend.seen.split(b"\r\n") if line.endswith(b" HTTP/1.1")]
    assert [head.split()[1] for head in heads] == [b"/a", b"/smuggled", b"/next"]
    assert b"Content-Length: %d\r\n" % len(SMUGGLED) in backend.seen
    assert backend.seen.count(b"X-Request-ID") == 2
