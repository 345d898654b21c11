"""Messages over a socket pair."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.proxy.workers import channel as module
from perijove.proxy.workers.channel import BrokenChannel, Channel, Message, connect, encode, read_message

MESSAGES: list[Message] = [{"kind": "a", "data": "é"}, {}, {"kind": "b", "rows": list(range(1000))}]


async def test_messages_arrive_whole_and_in_order(eventually: Any) -> None:
    own, other = socket.socketpair()
    down: list[Message] = []
    up: list[Message] = []
    lost = asyncio.Event()
    channel = await connect(own, up.append, lost.set)
    peer = await connect(other, down.append, lambda: None)
    for message in MESSAGES:
        channel.send(encode(message))
        peer.send(encode({"answer": message}))
    await eventually(lambda: len(down) == len(up) == len(MESSAGES))
    assert down == MESSAGES
    assert up == [{"answer": message} for message in MESSAGES]
    assert not channel.waiting()
    peer.close()
    await asyncio.wait_for(lost.wait(), 10)
    channel.send(encode({}))


@given(st.integers(1, 50))
def test_pieces_are_put_together(size: int) -> None:
    received: list[Message] = []
    channel = Channel(received.append, lambda: None)
    raw = b"".join(map(encode, MESSAGES))
    for start in range(0, len(raw), size):
        channel.data_received(raw[start : start + size])
    assert received == MESSAGES


@pytest.mark.parametrize("raw", [b"\xff\xff\xff\xff", b"\0\0\0\1x", b"\0\0\0\2[]"])
async def test_what_is_no_message_ends_the_channel(raw: bytes) -> None:
    own, other = socket.socketpair()
    lost = asyncio.Event()
    await connect(own, lambda _: None, lost.set)
    with other:
        other.sendall(raw)
        await asyncio.wait_for(lost.wait(), 10)


def test_one_message_is_read_without_what_follows() -> None:
    own, other = socket.socketpair()
    with own, other:
        other.sendall(encode(MESSAGES[0]) + b"rest")
        assert read_message(own) == MESSAGES[0]
        assert own.recv(10) == b"rest"


@pytest.mark.parametrize("raw", [b"", b"\0\0", b"\0\0\0\5{}", b"\0\0\0\1x", b"\0\0\0\2[]", b"\xff\xff\xff\xff"])
def test_a_message_that_cannot_be_read(raw: bytes) -> None:
    own, other = socket.socketpair()
    with own:
        with other:
            other.sendall(raw)
        with pytest.raises(BrokenChannel):
            read_message(own)


def test_a_message_is_json_behind_its_length() -> None:
    raw = encode({"a": 1})
    assert raw[:4] == bytes((0, 0, 0, 7))
    assert json.loads(raw[4:]) == {"a": 1}
    assert module.MAX_MESSAGE < 2**32
