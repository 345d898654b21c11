"""A browser without a screen or scripts: follows redirects, keeps cookies, fills in forms."""

from __future__ import annotations

import re
from html import unescape

import httpx
from tests.support.hubs import RunningHub

NAVIGATION = {
    "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "same-origin",
}


class Visitor(httpx.Client):
    """One person's browser."""

    def __init__(self, hub: RunningHub) -> None:
        super().__init__(base_url=hub.url, headers=NAVIGATION, follow_redirects=True, timeout=60, trust_env=False)

    def sign_in(self, name: str, password: str = "correct horse", *, on: str = "/hub/login") -> httpx.Response:
        """Open *on*, which shows the form to sign in, fill it in, and return where that leads."""
        form = self.get(on)
        assert 'name="password"' in form.text, f"{form.url} shows no form to sign in: {form.status_code}"
        action = re.search(r'<form[^>]* action="([^"]*)"', form.text)
        token = re.search(r'name="_xsrf"[^>]* value="([^"]*)"', form.text)
        assert action, form.text
        assert token, form.text
        fields = {"username": name, "password": password, "_xsrf": unescape(token[1])}
        target = form.url.join(unescape(action[1]))
        return self.post(target, data=fields, headers={"Origin": f"{self.base_url}".rstrip("/")})
