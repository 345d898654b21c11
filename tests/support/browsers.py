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

    def agree(self, page: httpx.Response) -> httpx.Response:
        """Press the button of the page on which the hub asks whether a service may know who one is."""
        assert "/api/oauth2/authorize" in str(page.url), f"{page.url} does not ask: {page.status_code}"
        fields: dict[str, list[str]] = {}
        for name, value in hidden_fields(page):
            fields.setdefault(name, []).append(value)
        return self.post(page.url, data=fields, headers={"Origin": f"{self.base_url}".rstrip("/")})


def hidden_fields(page: httpx.Response) -> list[tuple[str, str]]:
    """Return names and values of the hidden fields of all forms on *page*."""
    fields = []
    for tag in re.findall(r"<input[^>]*>", page.text):
        attributes = {name: unescape(value) for name, value in re.findall(r'([a-z]+)="([^"]*)"', tag)}
        if attributes.get("type") == "hidden":
            fields.append((attributes["name"], attributes["value"]))
    return fields
