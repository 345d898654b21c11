"""An administrator in a browser, and short ways to press buttons."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from bs4 import BeautifulSoup
from tests.support.page_rules import check

from perijove.hub.core.roles import Role
from perijove.hub.testing.running import ORIGIN, RunningHub, running_hub


class Desk:
    """A hub, and somebody who looks after it in a browser."""

    def __init__(self, hub: RunningHub, browser: httpx.AsyncClient) -> None:
        self.hub = hub
        self.browser = browser
        self.token = ""

    async def get(self, path: str, status: int = 200) -> BeautifulSoup:
        """Return the page at *path* below the hub's prefix, which keeps the rules of pages."""
        answer = await self.browser.get(f"{self.hub.prefix}{path}")
        assert answer.status_code == status, answer.text[:2000]
        found = re.search(r'name="_xsrf" value="([^"]+)"', answer.text)
        self.token = found[1] if found else self.token
        return check(answer.text)

    async def words(self, path: str, selector: str) -> list[str]:
        """Return the visible words of everything that *selector* finds on a page."""
        found = (await self.get(path)).select(selector)
        return [" ".join(tag.get_text(" ", strip=True).split()) for tag in found]

    async def post(self, path: str, **fields: Any) -> httpx.Response:
        """Send a form; the token is that of the last page, a name with an underscore at its end is without."""
        data = {"_xsrf": self.token} | {name.removesuffix("_"): value for name, value in fields.items()}
        return await self.browser.post(f"{self.hub.prefix}{path}", data=data, headers={"Origin": ORIGIN})

    async def done(self, path: str, **fields: Any) -> str:
        """Send a form and return where it leads, below the hub's prefix."""
        answer = await self.post(path, **fields)
        assert answer.status_code == 303, answer.text[:3000]
        return answer.headers["Location"].removeprefix(self.hub.prefix)


@pytest.fixture
async def office() -> AsyncIterator[RunningHub]:
    """A hub to look after, under a prefix, that keeps passwords."""
    async with running_hub(base_url="/jh/lab/", keeps_accounts=True) as running:
        yield running


@pytest.fixture
async def desk(office: RunningHub) -> Desk:
    """An administrator, called root."""
    await office.add_user("root", admin=True)
    made = Desk(office, await office.browser("root"))
    await made.get("admin")
    return made


@pytest.fixture
def at_desk() -> Any:
    """Return a desk for somebody else: ``await at_desk(hub, name, *scopes)``."""

    async def sit(hub: RunningHub, name: str, *scopes: str) -> Desk:
        user = await hub.add_user(name)
        async with hub.store.transaction() as tx:
            await tx.roles.put(Role(f"role-of-{name}", ("self", *scopes)))
            await tx.roles.assign(f"role-of-{name}", "user", user.id)
        made = Desk(hub, await hub.browser(name))
        home = await made.browser.get(f"{hub.prefix}home")
        made.token = re.findall(r'name="_xsrf" value="([^"]+)"', home.text)[0]
        return made

    return sit
