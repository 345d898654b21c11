from __future__ import annotations

import socket
from typing import Any

import httpx
import pytest
from traitlets.config import Config

from perijove.hub.adapters.web_server import web_server
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.settings.jupyterhub import JupyterHub
from perijove.hub.usecases.tasks import Tasks


def options(port: int) -> JupyterHub:
    return JupyterHub(config=Config({"JupyterHub": Config({"hub_port": port})}))


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["client"][0].encode()})


async def test_it_serves_until_the_end_of_the_block_and_believes_the_proxy_beside_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url, tasks = f"http://127.0.0.1:{port}/", Tasks()
    async with httpx.AsyncClient(trust_env=False) as client:
        async with web_server(app, options(port), tasks):
            answer = await client.get(url, headers={"X-Forwarded-For": "192.0.2.7"})
            assert answer.text == "192.0.2.7"
        with pytest.raises(httpx.HTTPError):
            await client.get(url)
    await tasks.close()


async def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PerijoveError, match=rf"cannot listen on 127\.0\.0\.1:{port}") as caught:
            async with web_server(app, options(port), Tasks()):
                pass
    assert caught.value.code is Code.UNAVAILABLE
