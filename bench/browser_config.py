"""The configuration of hubs whose pages are opened in a browser: that of all hubs, and what else there are pages of.

BENCH_PAGES says which hub it is of: the usual one, which keeps accounts; ``several``, with several ways to sign in; or
``elsewhere``, which signs people in by itself.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any

from perijove.hub.adapters.authenticators.password import PasswordAuthenticator
from perijove.hub.ports.authenticator import Authenticator
from perijove.hub.testing.identity_provider import ProviderAuthenticator

UNIVERSITY = {"provider_url": "https://provider.example", "login_service": "your university account"}
WRONG = "forgotten"

load_subconfig("hub_config.py")  # type: ignore[name-defined]  # noqa: F821
c = get_config()  # type: ignore[name-defined]  # noqa: F821


class Trusting(PasswordAuthenticator):
    """Keeps accounts, and lets everybody in with any password but one."""

    async def authenticate(self, handler: object, data: Mapping[str, str]) -> str | None:
        return None if data["password"] == WRONG else data["username"]


class Elsewhere(Authenticator):
    """Knows from somewhere else that everybody is the administrator."""

    auto_login = True

    async def authenticate(self, handler: object, data: Mapping[str, str]) -> str:
        return "ada"


class Varied(c.JupyterHub.spawner_class):  # type: ignore[misc, name-defined]
    """Servers that start as the names of their owners say: never, slowly, or after a choice."""

    async def start(self) -> Any:
        if self.user.name == "failing":
            raise RuntimeError("The disk is full.")
        if self.user.name == "slow":
            await asyncio.sleep(3600)
        return await super().start()


def options(spawner: Varied) -> str:
    """A form for one of the users."""
    if spawner.user.name != "choosing":
        return ""
    return '<label for="profile">Environment</label><select id="profile" name="profile"><option>small</option></select>'


c.JupyterHub.spawner_class = Varied
c.JupyterHub.concurrent_spawn_limit = 1
c.JupyterHub.slow_spawn_timeout = 0
c.Spawner.start_timeout = 3600
c.Spawner.options_form = options

c.JupyterHub.authenticator_class = Trusting
c.Authenticator.admin_users = {"ada"}
if os.environ["BENCH_PAGES"] == "elsewhere":
    c.JupyterHub.authenticator_class = Elsewhere
elif os.environ["BENCH_PAGES"] == "several":
    del c.Authenticator.allow_all
    c.JupyterHub.authenticator_class = "multi"
    c.MultiAuthenticator.authenticators = [
        {"authenticator_class": Trusting, "url_prefix": "/local", "username_prefix": ""},
        {"authenticator_class": ProviderAuthenticator, "url_prefix": "/university", "config": UNIVERSITY},
    ]
    c.JupyterHub.template_vars = {"announcement": "The hub is away on Saturday.", "login_term_url": "/terms"}

# A service that people allow to act for them, a group, and a log of all that happens.
wiki = {"name": "wiki", "api_token": os.environ["BENCH_TOKEN"][::-1], "oauth_redirect_uri": "/services/wiki/back"}
c.JupyterHub.services.append(wiki)
c.JupyterHub.load_groups = {"physics": {"users": []}}
c.JupyterHub.load_roles[0]["scopes"] += ["groups", "shares"]
c.JupyterHub.load_roles.append({"name": "user", "scopes": ["self", "shares!user", "access:services"]})
c.JupyterHub.audit_log_file = "audit.jsonl"
