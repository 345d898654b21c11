"""A real server that fails, and what the hub would say of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from traitlets.config import Config

from perijove.hub.adapters.spawners.local import SimpleLocalProcessSpawner
from perijove.hub.core.failures import LOG_LINES, ended, timed_out
from perijove.hub.core.servers import Failure
from perijove.hub.core.site import Site
from perijove.hub.ports.spawner import HubInfo, SpawnerUser

PATIENCE = 120.0


async def why_it_failed(folder: Path, *, says: str = "", **options: Any) -> Failure:
    """Start a server for ada with *options* of the spawner and return why it failed.

    Args:
        folder: the hub's data folder.
        says: what its log holds when the hub gives up asking whether it answers; empty for one that ends by itself.
        options: options of the spawner.
    """
    config = Config({"SimpleLocalProcessSpawner": {"cmd": ["perijove-singleuser"], "use_launcher": False, **options}})
    spawner = SimpleLocalProcessSpawner(config=config)
    spawner.user, spawner.server_id = SpawnerUser(1, "ada", False), 1
    spawner.hub = HubInfo(Site("/base/"), "http://127.0.0.1:8081/base/hub/api", str(folder))
    spawner.api_token, spawner.oauth_client_id = "the-token-of-the-server", "jupyterhub-user-ada"
    ip, port = await spawner.start()
    try:
        async with asyncio.timeout(PATIENCE):
            if not says:
                return ended(await spawner.wait_exit(), spawner.read_log(LOG_LINES), while_starting=True)
            while says not in spawner.log_file.read_text():
                assert await spawner.poll() is None, spawner.read_log(LOG_LINES)
                await asyncio.sleep(0.05)
        url = f"http://{ip}:{port}/base/user/ada/api"
        return timed_out("answer", 30, spawner.read_log(LOG_LINES), url)
    finally:
        await spawner.stop(now=True)
