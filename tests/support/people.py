"""A hub for the tests and pictures of pages, and how somebody signs in to it."""

from __future__ import annotations

from playwright.sync_api import Page
from tests.support.hubs import UPSTREAM_CONFIG, RunningHub

PEOPLE_CONFIG = (
    UPSTREAM_CONFIG
    + """
import os
from perijove.hub.adapters.spawners.local import SimpleLocalProcessSpawner

class FatefulSpawner(SimpleLocalProcessSpawner):
    def start(self):
        if self.user.name == "slow":
            self.cmd = ["sh", "-c", "echo so slow today; sleep 600"]
        if self.user.name == "broken":
            self.cmd = ["sh", "-c", "echo cannot find my disk; exit 3"]
        return super().start()

c.JupyterHub.spawner_class = FatefulSpawner
c.JupyterHub.allow_named_servers = True
c.JupyterHub.template_vars = {{
    "login_term_url": "/terms",
    "announcement_not_running": lambda user: f"Welcome, <b>{{user.name}}</b>. <a href='/status'>How we are</a>",
}}
c.JupyterHub.services.append({{
    "name": "wiki",
    "url": "http://127.0.0.1:9",
    "api_token": "another-token-of-thirty-two-characters-at-least",
    "display": True,
    "oauth_client_id": "service-wiki",
    "oauth_redirect_uri": "http://127.0.0.1:9/callback",
}})
c.JupyterHub.load_roles += [{{
    "name": "user",
    "scopes": ["self", "shares!user", "access:services", "read:users:name", "read:groups:name"],
}}]
"""
)


def sign_in(page: Page, hub: RunningHub, name: str) -> None:
    """Sign *name* in, who accepts the terms, and go home."""
    page.goto(f"{hub.url}/hub/login")
    page.locator("#username").fill(name)
    page.locator("#password").fill("x")
    terms = page.locator("#accept-terms-checkbox")
    if terms.count():
        terms.check()
    page.locator("#login_submit").click()
    page.wait_for_url("**/hub/home")
