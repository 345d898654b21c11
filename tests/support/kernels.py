"""Kernels, used as a script uses them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from typing import Any

import httpx
import websockets
from tests.support.hubs import RunningHub

NUDGE_SECONDS = 1.0


async def run_in_kernel(hub: RunningHub, token: str, user: str, code: str) -> str:
    """Start a kernel on the user's server, run *code* over its WebSocket and return what it printed."""
    headers = {"Authorization": f"token {token}"}
    async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=60) as client:
        kernel = (await client.post(f"{hub.url}/user/{user}/api/kernels", json={"name": "python3"})).json()["id"]
    address = f"ws://127.0.0.1:{hub.port}/user/{user}/api/kernels/{kernel}/channels"
    async with asyncio.timeout(90), websockets.connect(address, additional_headers=headers, proxy=None) as socket:
        await wait_ready(socket, user)
        request = message("execute_request", user, {"code": code, "silent": False})
        await socket.send(json.dumps(request))
        while True:
            answer = json.loads(await socket.recv())
            ours = answer["parent_header"].get("msg_id") == request["header"]["msg_id"]
            if ours and answer["msg_type"] == "stream":
                return str(answer["content"]["text"])


async def wait_ready(socket: websockets.ClientConnection, user: str) -> None:
    """Ask the kernel about itself until both of its channels answer: what it prints before that may go nowhere."""
    missing = {"shell", "iopub"}
    while missing:
        await socket.send(json.dumps(message("kernel_info_request", user, {})))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(NUDGE_SECONDS):
                while missing:
                    missing.discard(json.loads(await socket.recv())["channel"])


def message(kind: str, user: str, content: dict[str, Any]) -> dict[str, Any]:
    """Return a request to a kernel (Jupyter's messaging protocol, version 5.3)."""
    return {
        "header": {"msg_id": uuid.uuid4().hex, "msg_type": kind, "username": user, "version": "5.3"},
        "parent_header": {},
        "metadata": {},
        "channel": "shell",
        "content": content,
    }
