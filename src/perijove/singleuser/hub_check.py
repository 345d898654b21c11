"""Compares the hub's protocol version with ours when the server starts; a difference is worth a warning and no more."""

from __future__ import annotations

import re
from logging import Logger
from typing import Protocol

from perijove.client.api import HubUnavailable
from perijove.wire.versions import PROTOCOL_VERSION

MAX_SHOWN_VERSION = 40


class StatesVersion(Protocol):
    """The hub, as seen by this check."""

    async def version(self) -> str | None:
        """Return the version, None if the hub states none, or raise HubUnavailable."""


def version_warning(hub_version: str | None) -> str:
    """Return the warning that *hub_version* deserves; empty if its major number is ours."""
    if not hub_version:
        return "The hub does not say which version it is; it may be too old for this server."
    major = re.match(r"v?(\d+)(?=\.|$)", hub_version)
    if major and major.group(1) == PROTOCOL_VERSION.partition(".")[0]:
        return ""
    return (
        f"The hub speaks version {hub_version[:MAX_SHOWN_VERSION]!r} of the protocol, this server {PROTOCOL_VERSION}:"
        " expect trouble until one of them is upgraded."
    )


async def check_hub(hub: StatesVersion, log: Logger) -> None:
    """Log what is odd about the hub; the server goes on whatever it is."""
    try:
        warning = version_warning(await hub.version())
    except HubUnavailable as error:
        warning = f"The hub does not answer: {error}. This server runs on; signing in works when the hub is back."
    if warning:
        log.warning("%s", warning)
