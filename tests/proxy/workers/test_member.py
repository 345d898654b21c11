"""One worker process, led by hand."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from perijove.proxy.core.book import RouteBook
from perijove.proxy.settings import ProxySettings
from perijove.proxy.workers import member as module
from perijove.proxy.workers.channel import Message, encode
from perijove.proxy.workers.member import Member
from perijove.proxy.workers.messages import settings_message, table_message

SETTINGS = ProxySettings(ip="127.0.0.1", workers=2, auth_token="secret", drain_timeout=0.1)


@pytest.fixture
async def told() -> list[Message]:
    return []


@pytest.fixture
async def member(told: list[Message]) -> AsyncIterator[Member]:
    made = Member(lambda _, message: told.append(message))
    yield made
    await made.close()


async def launch(member: Member, **settings: Any) -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        await member.launch(listening, settings_message(replace(SETTINGS, **settings)))
        return int(listening.getsockname()[1])


async def test_a_worker_says_how_far_it_is(member: Member, told: list[Message], eventually: Any, connect: Any) -> None:
    port = await launch(member)
    await eventually(lambda: [message["kind"] for message in told] == ["hello"])
    with pytest.raises(OSError):
        await connect(port)
    assert (member.have, member.listening) == (None, False)
    member.send(encode(table_message(RouteBook())))
    await eventually(lambda: member.listening)
    assert member.have == 0
    member.silence = 5
    assert (await (await connect(port)).get("/_chp_healthz"))[0] == 200
    await eventually(lambda: "perijove_proxy_routes" in member.samples)
    assert member.silence == 0
    member.send(encode({"kind": "stop", "drain": 0}))
    assert await asyncio.wait_for(member.ended(), 10) == 0
    assert told[-1]["kind"] == "report"


async def test_a_worker_has_no_secrets_where_others_can_look(
    member: Member, told: list[Message], eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONFIGPROXY_AUTH_TOKEN", "0f7c1d")
    await launch(member, auth_token="0f7c1d")
    await eventually(lambda: bool(told))
    for name in ("environ", "cmdline"):
        assert b"0f7c1d" not in Path(f"/proc/{member.pid}/{name}").read_bytes()


async def test_a_worker_that_cannot_start_says_why(member: Member, eventually: Any) -> None:
    await launch(member, ssl_cert="/nonexistent", ssl_key="/nonexistent")
    await eventually(lambda: member.have is None and member.process is not None)
    member.send(encode(table_message(RouteBook())))
    await eventually(lambda: bool(member.failed))
    assert "certificate" in member.failed
    await asyncio.wait_for(member.ended(), 10)
    assert not member.listening


async def test_a_worker_that_reads_nothing_is_ended(
    member: Member, told: list[Message], eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 1000)
    await launch(member)
    await eventually(lambda: bool(told))
    os.kill(member.pid, signal.SIGSTOP)
    for _ in range(3):
        member.send(encode({"kind": "unknown", "data": "x" * 1_000_000}))
    assert await asyncio.wait_for(member.ended(), 10) == -signal.SIGKILL


async def test_one_that_was_never_started(member: Member) -> None:
    assert (member.pid, await member.ended()) == (0, -1)
    member.send(b"")
    member.kill()
    assert repr(member) == "<Member 0: have=None listening=False>"
