"""What JupyterLab and Notebook are told of the hub, so that their menus lead back to it."""

from __future__ import annotations

from typing import Any

from jupyter_server.base.handlers import JupyterHandler

from perijove.client.environment import ServerEnvironment
from perijove.wire.prefixes import hub_prefix

DISABLED_EXTENSIONS = ("@jupyterlab/apputils-extension:announcements",)
"""Front-end plug-ins that call hosts outside: a server behind a hub does not phone home, and often cannot."""


def with_hub(environment: ServerEnvironment, page_config: dict[str, Any], visitor: str) -> dict[str, Any]:
    """Return a copy of *page_config* that names the hub, this server and the *visitor*; it never holds a token."""
    disabled = page_config.get("disabledExtensions") or []
    return {
        **page_config,
        "hubHost": environment.host,
        "hubPrefix": hub_prefix(environment.base_url),
        "hubUser": visitor,
        "hubServerUser": environment.user,
        "hubServerName": environment.server_name,
        # A link that somebody copies leads each reader to their own server.
        "shareUrl": f"{environment.host}{hub_prefix(environment.base_url)}user-redirect",
        "token": "",
        "disabledExtensions": [*disabled, *(name for name in DISABLED_EXTENSIONS if name not in disabled)],
    }


class PageConfigHook:
    """Jupyter's ``page_config_hook``."""

    def __init__(self, environment: ServerEnvironment) -> None:
        self._environment = environment

    def __call__(self, handler: JupyterHandler, page_config: dict[str, Any]) -> dict[str, Any]:
        """Return the configuration of the page that *handler* answers with."""
        return with_hub(self._environment, page_config, getattr(handler.current_user, "username", ""))
