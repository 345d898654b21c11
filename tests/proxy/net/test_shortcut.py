"""The short way of plain exchanges is only shorter: whatever happens, bytes and states are those of the general way."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from perijove.proxy.core.bodies import ChunkedBody, EndlessBody, LengthBody
from perijove.proxy.core.book import RouteBook
from perijove.proxy.core.plain import PlainRequest
from perijove.proxy.core.targets import Target, parse_target
from perijove.proxy.net.context import Context
from perijove.proxy.net.errorpages import ErrorPages
from perijove.proxy.net.listener import ClientConnection
from perijove.proxy.net.observer import Observation, Observer, new_observer
from perijove.proxy.net.relay import Relay
from perijove.proxy.net.tls import Certificates
from perijove.proxy.net.upstream import UpstreamConnection, UpstreamPool
from perijove.proxy.settings import ProxySettings


class Wire(asyncio.Transport):
    """A transport that notes what is asked of it."""

    def __init__(self, high: int) -> None:
        super().__init__()
        self.protocol: Any = None
        self.written = b""
        self.asked: list[str] = []
        self.told = False
        self._high = high
        self._blocked = False
        self._since = 0

    def write(self, data: Any) -> None:
        self.written += data
        if not self._blocked and len(self.written) - self._since > self._high:
            self._blocked = True
            self.protocol.pause_writing()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def unblock(self) -> None:
        self._since = len(self.written)
        if self._blocked:
            self._blocked = False
            self.protocol.resume_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        return

    def get_write_buffer_size(self) -> int:
        return len(self.written) - self._since

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("192.0.2.1", 1) if name == "peername" else default

    def reading(self) -> bool:
        return not {"pause", "close", "abort"} & set(self.asked)

    def is_closing(self) -> bool:
        return "close" in self.asked or "abort" in self.asked

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.asked.append("eof")

    def pause_reading(self) -> None:
        self.asked.append("pause")

    def resume_reading(self) -> None:
        # What was taken back at once never happened: the short way does not even ask for it.
        self.asked.remove("pause")

    def close(self) -> None:
        self.asked.append("close")

    def abort(self) -> None:
        self.asked.append("abort")


# Of no meaning to what is under way; a target's word on keeping the connection is asked for when its answer ends.
UNUSED = ("write", "_shortcut", "_keep_alive")


class Nothing:
    """Finds no request plain, so that all go the general way."""

    def read(self, *_: object) -> PlainRequest | None:
        return None


class Scene:
    """One client, a proxy and connections to its target, without a network and with a clock that stands still."""

    def __init__(self, *, short: bool, high: int, **options: Any) -> None:
        proxy_settings = ProxySettings(**options)
        self.book = RouteBook()
        target = parse_target("http://127.0.0.1:9/base")
        assert isinstance(target, Target)
        self.target = target
        self.book.put("/user/a", target, {"user": "a"}, 1.0)
        self.book.put("/_chp_healthz", target, {}, 1.0)
        pool = UpstreamPool(proxy_settings.pool_idle, 2)
        pages = ErrorPages(None, {}, 1.0, lambda _: None)
        with patch.object(Context, "_sweep"):
            self.context = Context(proxy_settings, self.book, pool, pages, Certificates(), new_observer(proxy_settings))
        self.context.monotonic = lambda: 100.0
        self.context._request_id_form = b"id-%x"
        if not short:
            self.context.plain_requests = Nothing()  # type: ignore[assignment]
        self.high = high
        self.wires: list[Wire] = []
        self.client = ClientConnection(self.context, b"http")
        self.near = self.wire(self.client)
        for _ in range(2):
            pool.give(self.open(), 100.0)

    def wire(self, protocol: asyncio.Protocol) -> Wire:
        wire = Wire(self.high)
        wire.protocol = protocol
        self.wires.append(wire)
        protocol.connection_made(wire)
        return wire

    def open(self) -> UpstreamConnection:
        connection = UpstreamConnection(self.target)
        self.wire(connection)
        return connection

    async def act(self, kind: str, data: bytes) -> None:
        """Let one thing happen, and what follows of it."""
        far = next((wire for wire in self.wires[1:] if self.used(wire.protocol)), self.wires[1])
        near = self.near.protocol
        match kind:
            case "client" if self.near.reading():
                near.data_received(data)
            case "target" if far.reading():
                far.protocol.data_received(data)
            case "client leaves" if not self.near.is_closing():
                if not near.eof_received():
                    self.near.close()
            case "target leaves" if not far.is_closing():
                if not far.protocol.eof_received():
                    far.close()
            case "client reads":
                self.near.unblock()
            case "target reads":
                far.unblock()
            case "time" if self.client in self.context.connections:
                self.client.expire()
            case "drain":
                self.context.draining = True
                self.client.finish()
        await self.settle()

    @staticmethod
    def used(protocol: object) -> bool:
        return not isinstance(protocol, UpstreamConnection) or bool(protocol._sink or protocol.shortcut)

    async def settle(self) -> None:
        for _ in range(4):
            for wire in self.wires:
                if wire.is_closing() and not wire.told:
                    wire.told = True
                    wire.protocol.connection_lost(None)
            await asyncio.sleep(0)

    def seen(self) -> list[object]:
        """All that can be seen from outside."""
        counted = {}
        if self.context.observer is not None:
            samples = self.context.observer.metrics.snapshot()
            counted = {name: value for name, value in samples.items() if "seconds" not in name and "_sum" not in name}
        return [
            [(wire.written, list(wire.asked)) for wire in self.wires],
            self.client.deadline,
            [len(unused) for unused in self.context.pool._unused.values()],
            (self.book.activity.last("/user/a") or 0) > 1.0,
            counted,
        ]

    def state(self) -> list[object]:
        """All that is known inside, a plain exchange carried on by a relay."""
        relay = self.client._exchange()
        return [self.inside(part) for part in (self.client, relay, relay._upstream if relay else None) if part]

    def inside(self, part: Any) -> list[object]:
        values = [(name, getattr(part, name, None)) for name in part.__slots__ if name not in UNUSED]
        opaque = (Relay, Context, asyncio.Protocol, asyncio.Transport, Observer, Observation, LengthBody, ChunkedBody)
        return [
            (name, type(value) if isinstance(value, (*opaque, EndlessBody)) else repr(value)) for name, value in values
        ]


async def play(script: list[tuple[str, bytes]], *, short: bool, high: int, options: dict[str, Any]) -> list[object]:
    """Return what is seen after each step, and the state at the end."""
    scene = Scene(short=short, high=high, **options)

    async def opened(*_: object) -> UpstreamConnection:
        return scene.open()

    trace: list[object] = []
    with patch("perijove.proxy.net.relay.open_upstream", opened):
        for kind, data in script:
            await scene.act(kind, data)
            trace.append(scene.seen())
        trace.append(scene.state())
        await scene.context.close()
    return trace


REQUESTS = [
    b"GET /user/a/x HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /user/a/y?z HTTP/1.1\r\nHost: h\r\nCookie: a=b\r\n\r\n",
    b"GET /user/a/x HTTP/1.1\r\nHost: h\r\nX-Request-ID: mine\r\n\r\n",
    b"GET /user/a/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    b"GET /user/a/x HTTP/1.0\r\n\r\n",
    b"GET /user/a/ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"HEAD /user/a/x HTTP/1.1\r\nHost: h\r\n\r\n",
    b"POST /user/a/x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
    b"GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /_chp_healthz HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /user/a/x HTTP/1.1\r\nHost : h\r\n\r\n",
    b"\r\nGET /user/a/x HTTP/1.1\r\nHost: h\r\n\r\n",
]
ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: 300\r\nServer: s\r\n\r\n" + b"x" * 300,
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a=b; Path=/\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
    b"HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"nonsense\r\n\r\n",
]
OTHERS = ["client leaves", "target leaves", "client reads", "target reads", "time", "drain"]
EXCHANGES = st.tuples(
    st.sampled_from(REQUESTS[:2]) | st.sampled_from(REQUESTS),
    st.sampled_from(ANSWERS[:2]) | st.sampled_from(ANSWERS),
)


@st.composite
def scripts(draw: st.DrawFn) -> list[tuple[str, bytes]]:
    """A few exchanges, most of them plain and whole, others cut into pieces; now and then something else between."""
    script: list[tuple[str, bytes]] = []
    for request, answer in draw(st.lists(EXCHANGES, min_size=1, max_size=4)):
        for kind, data in (("client", request), ("target", answer)):
            places = draw(st.just([]) | st.lists(st.integers(1, len(data) - 1), max_size=3, unique=True))
            bounds = [0, *sorted(places), len(data)]
            script += [(kind, data[a:b]) for a, b in itertools.pairwise(bounds)]
    for kind in draw(st.lists(st.sampled_from(OTHERS), max_size=3)):
        script.insert(draw(st.integers(0, len(script))), (kind, b""))
    return script


PAIR = [("client", REQUESTS[0]), ("target", ANSWERS[0])]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"timeout": 3.0, "proxy_timeout": 2.0, "keep_alive_timeout": 0.0},
    {"metrics_port": 0, "x_forward": False},
    {"auto_rewrite": True, "custom_headers": (("X-A", "b"),), "include_prefix": False},
    {"max_header_size": 40},
]


@settings(max_examples=500, deadline=None)
@given(scripts(), st.sampled_from([10, 100, 10_000]), st.sampled_from(OPTIONS))
@example([*PAIR, *PAIR], 10_000, OPTIONS[0])
@example([PAIR[0], ("target leaves", b""), PAIR[1]], 10_000, OPTIONS[0])
@example([PAIR[0], PAIR[0], PAIR[1], PAIR[1]], 10_000, OPTIONS[0])
@example([*PAIR, PAIR[0], PAIR[1], ("client reads", b""), PAIR[1]], 10, OPTIONS[0])
def test_the_short_way_does_what_the_general_one_does(
    script: list[tuple[str, bytes]], high: int, options: dict[str, Any]
) -> None:
    compare(script, high, options)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_request_and_every_answer(options: dict[str, Any]) -> None:
    for request, answer in itertools.product(REQUESTS, ANSWERS):
        compare([("client", request), ("target", answer), *PAIR], 10_000, options)


def compare(script: list[tuple[str, bytes]], high: int, options: dict[str, Any]) -> None:
    short, general = (asyncio.run(play(script, short=way, high=high, options=options)) for way in (True, False))
    for step, (one, other) in enumerate(zip(short, general, strict=True)):
        assert one == other, step


@pytest.mark.parametrize("kind", ["client leaves", "target leaves", "time", "drain"])
async def test_a_relay_takes_over(kind: str) -> None:
    scene = Scene(short=True, high=10_000)
    await scene.act(*PAIR[0])
    assert scene.client._relay is None
    assert scene.client._shortcut.busy
    opened = asyncio.Event()

    async def opening(*_: object) -> UpstreamConnection:
        opened.set()
        return scene.open()

    with patch("perijove.proxy.net.relay.open_upstream", opening):
        await scene.act(kind, b"")
        # A draining proxy waits for the answer; then its connection ends.
        assert scene.client._shortcut.busy is (kind == "drain")
        assert opened.is_set() is (kind == "target leaves")
        await scene.act(*PAIR[1])
    assert scene.near.is_closing() is (kind in ("client leaves", "drain"))
    assert not scene.client._shortcut.busy
    await scene.context.close()
