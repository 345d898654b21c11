"""Servers of the local spawners that run a command of a test."""

from __future__ import annotations

import asyncio

from perijove.hub.adapters.spawners.local import LocalProcessSpawner

ENDS_WITHIN = 60.0


async def output(spawner: LocalProcessSpawner) -> str:
    """Start a server that ends, and return what it printed."""
    await spawner.start()
    await asyncio.wait_for(spawner.wait_exit(), ENDS_WITHIN)
    return spawner.log_file.read_text()
