"""Kernels, used as a script uses them."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import httpx
import websockets
from tests.support.hubs import RunningHub


async def run_in_kernel(hub: RunningHub, token: str, user: str, code: str) -> str:
    """Start a kernel on the user's server, run *code* over its WebSocket and return what it printed."""
    headers = {"Authorization": f"token {token}"}
    async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=60) as client:
        kernel = (await client.post(f"{hub.url}/user/{user}/api/kernels", json={"name": "python3"})).json()["id"]
    address = f"ws://127.0.0.1:{hub.port}/user/{user}/api/kernels/{kernel}/channels"
    request: dict[str, Any] = {
        "header": {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": user, "version": "5.3"},
        "parent_header": {},
        "metadata": {},
        "channel": "shell",
        "content": {"code": code, "silent": False},
    }
    async with asyncio.timeout(60), websockets.connect(address, additional_headers=headers, proxy=None) as socket:
        await socket.send(json.dumps(request))
        while True:
            answer = json.loads(await socket.recv())
            if answer["parent_header"].get("msg_id") == request["header"]["msg_id"] and answer["msg_type"] == "stream":
                return str(answer["content"]["text"])
